/* The table of each instruction set, and whether this CPU can run it (cpu.c). */
#ifndef CYC_ISAS_H
#define CYC_ISAS_H

#include "kernels.h"
#include "target.h"

int cyc_always(void);
int cyc_cpu_has_avx2(void);
int cyc_cpu_has_avx512(void);
int cyc_cpu_has_avx512_bf16(void);
int cyc_cpu_has_amx(void);
int cyc_amx_is_granted(void); /* by the operating system, which is asked only here */

extern const cyc_isa cyc_scalar;
extern const cyc_isa cyc_sse2;
extern const cyc_isa cyc_avx2;
extern const cyc_isa cyc_avx512;
extern const cyc_isa cyc_avx512_bf16; /* the kernels of AVX-512 and, in avx512_bf16.c, products of parts */
extern const cyc_split cyc_avx512_bf16_split;
extern const cyc_isa cyc_amx; /* the kernels of AVX-512 and, in amx.c, products of parts */
extern const cyc_split cyc_amx_split;
extern const cyc_isa cyc_neon;

#endif
