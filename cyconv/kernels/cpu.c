/* Which instruction sets are compiled in, and which of them this CPU and operating system can run. */
#define _DEFAULT_SOURCE /* for syscall */
#include "isas.h"

const cyc_isa *const cyc_isas[] = {
    &cyc_scalar,
#if CYC_X86_64
    &cyc_sse2,
    &cyc_avx2,
#endif
#if CYC_HAVE_AVX512
    &cyc_avx512,
#endif
#if CYC_HAVE_AVX512_BF16
    &cyc_avx512_bf16,
#endif
#if CYC_HAVE_AMX
    &cyc_amx,
#endif
#if CYC_AARCH64
    &cyc_neon,
#endif
    NULL,
};

int cyc_always(void) { return 1; }

#if CYC_X86_64

#if defined(_MSC_VER)
#include <intrin.h>
static void cpuid_of(int leaf, int subleaf, unsigned registers[4]) { __cpuidex((int *)registers, leaf, subleaf); }
static uint64_t enabled_states(void) { return _xgetbv(0); }
#else
#include <cpuid.h>
static void cpuid_of(int leaf, int subleaf, unsigned registers[4]) {
    __cpuid_count(leaf, subleaf, registers[0], registers[1], registers[2], registers[3]);
}
static uint64_t enabled_states(void) {
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (uint64_t)high << 32 | low;
}
#endif

static void cpuid(int leaf, unsigned registers[4]) { cpuid_of(leaf, 0, registers); }

enum { EAX, EBX, ECX, EDX };

static int has_bits(unsigned value, unsigned bits) { return (value & bits) == bits; }

/* The operating system must save the wider registers too: xgetbv tells which states it saves. */
static int states_are_saved(uint64_t states) {
    unsigned leaf1[4];
    const unsigned osxsave = 1u << 27;
    cpuid(1, leaf1);
    return has_bits(leaf1[ECX], osxsave) && (enabled_states() & states) == states;
}

int cyc_cpu_has_avx2(void) {
    const unsigned fma = 1u << 12, avx = 1u << 28, f16c = 1u << 29; /* leaf 1, ECX */
    const unsigned avx2 = 1u << 5;                                  /* leaf 7, EBX */
    const uint64_t sse_and_avx_states = 0x6;
    unsigned leaf0[4], leaf1[4], leaf7[4];
    cpuid(0, leaf0);
    if (leaf0[EAX] < 7) return 0;
    cpuid(1, leaf1);
    cpuid(7, leaf7);
    return has_bits(leaf1[ECX], fma | avx | f16c) && has_bits(leaf7[EBX], avx2) && states_are_saved(sse_and_avx_states);
}

int cyc_cpu_has_avx512(void) {
    const unsigned f = 1u << 16, dq = 1u << 17, cd = 1u << 28, bw = 1u << 30, vl = 1u << 31; /* leaf 7, EBX */
    const uint64_t sse_avx_and_avx512_states = 0xe6;
    unsigned leaf7[4];
    if (!cyc_cpu_has_avx2()) return 0;
    cpuid(7, leaf7);
    return has_bits(leaf7[EBX], f | dq | cd | bw | vl) && states_are_saved(sse_avx_and_avx512_states);
}

/* Intel's cores make one of these products in the time of two multiply-adds, which is no faster (Abel, Reineke, "uops.info:
 * Characterizing Latency, Throughput, and Port Usage of Instructions on Intel Microarchitectures", 2019). */
int cyc_cpu_has_avx512_bf16(void) {
    const unsigned bf16 = 1u << 5; /* leaf 7, subleaf 1, EAX */
    unsigned leaf7[4], subleaf1[4];
    if (!cyc_cpu_has_avx512()) return 0;
    cpuid(7, leaf7);
    if (leaf7[EAX] < 1) return 0;
    cpuid_of(7, 1, subleaf1);
    return has_bits(subleaf1[EAX], bf16) && cyc_cpu_lines() != CYC_LATE_LINES;
}

#if CYC_HAVE_AMX
#include <sys/syscall.h>
#include <unistd.h>

/* Linux saves tile registers, of 8 KiB, for a process that has asked for it, whose signal stacks have to be larger from
 * then on (its documentation, arch/x86/xstate). */
enum { ARCH_GET_XCOMP_SUPP = 0x1021, ARCH_REQ_XCOMP_PERM = 0x1023, XFEATURE_XTILE_DATA = 18 };

int cyc_cpu_has_amx(void) {
    const unsigned bf16 = 1u << 22, tile = 1u << 24; /* leaf 7, EDX */
    const uint64_t tile_states = 0x60000;
    unsigned long supported = 0;
    unsigned leaf7[4];
    if (!cyc_cpu_has_avx512()) return 0;
    cpuid(7, leaf7);
    return has_bits(leaf7[EDX], bf16 | tile) && states_are_saved(tile_states) &&
           syscall(SYS_arch_prctl, ARCH_GET_XCOMP_SUPP, &supported) == 0 && (supported >> XFEATURE_XTILE_DATA & 1);
}

int cyc_amx_is_granted(void) { return syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILE_DATA) == 0; }
#endif

/* AMD's Zen 4, the one with AVX-512 in family 25, has halved lines (AMD, "Software Optimization Guide for the Zen4
 * Microarchitecture", 57647, 2.11). Those of Zen 5, family 26, were measured. All x86 that is not AMD's counts as
 * late, as Emerald and Granite Rapids were measured to be. Zen 1, the models of family 23 below 0x30, halves shorter vectors
 * (AMD, "Software Optimization Guide for AMD Family 17h Processors", 55723, 2.11). */
int cyc_cpu_lines(void) {
    enum { ZEN_1_FAMILY = 23, ZEN_2_MODEL = 0x30, ZEN_4_FAMILY = 25 };
    const unsigned authentic[3] = {0x68747541, 0x69746e65, 0x444d4163}; /* "AuthenticAMD" in EBX, EDX, ECX */
    unsigned leaf0[4], leaf1[4];
    cpuid(0, leaf0);
    cpuid(1, leaf1);
    const unsigned family = (leaf1[EAX] >> 8 & 0xf) + (leaf1[EAX] >> 20 & 0xff);
    if (leaf0[EBX] != authentic[0] || leaf0[EDX] != authentic[1] || leaf0[ECX] != authentic[2]) return CYC_LATE_LINES;
    const unsigned model = (leaf1[EAX] >> 4 & 0xf) | (leaf1[EAX] >> 12 & 0xf0);
    if (family == ZEN_1_FAMILY && model < ZEN_2_MODEL) return CYC_NO_LINES;
    return family == ZEN_4_FAMILY && cyc_cpu_has_avx512() ? CYC_HALVED_LINES : CYC_WHOLE_LINES;
}

#else

int cyc_cpu_lines(void) { return CYC_WHOLE_LINES; }

#endif
