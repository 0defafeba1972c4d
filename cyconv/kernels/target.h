/* Instruction-set brackets: code between CYC_TARGET_BEGIN and CYC_TARGET_END is compiled for the
 * named features whatever the flags of the translation unit, so one build serves every CPU.
 *
 * GCC is told a processor to tune for as well. For its generic one it keeps integers that find no register in those of
 * AVX-512 that are left, and moves them back in the loops over terms, through a port that multiplies: a tenth of the
 * time of a 1x1 layer (docs/performance.md).
 *
 * MSVC has no such bracket: it compiles intrinsics regardless of /arch.
 */
#ifndef CYC_TARGET_H
#define CYC_TARGET_H

#include <stddef.h>

#if defined(__x86_64__) || defined(_M_X64)
#define CYC_X86_64 1
#else
#define CYC_X86_64 0
#endif

#if defined(__aarch64__) || defined(_M_ARM64)
#define CYC_AARCH64 1
#else
#define CYC_AARCH64 0
#endif

/* AVX-512 code from cl.exe is known to be wrong (Highway and NumPy both disable it); clang-cl is fine. */
#if CYC_X86_64 && !(defined(_MSC_VER) && !defined(__clang__))
#define CYC_HAVE_AVX512 1
#else
#define CYC_HAVE_AVX512 0
#endif

#if CYC_HAVE_AVX512 && (defined(__clang__) ? __clang_major__ >= 9 : __GNUC__ >= 10)
#define CYC_HAVE_AVX512_BF16 1
#else
#define CYC_HAVE_AVX512_BF16 0
#endif

/* Linux alone is known to grant the tile registers on request. */
#if CYC_HAVE_AVX512 && defined(__linux__) && (defined(__clang__) ? __clang_major__ >= 12 : __GNUC__ >= 11)
#define CYC_HAVE_AMX 1
#else
#define CYC_HAVE_AMX 0
#endif

#define CYC_STRING_(...) #__VA_ARGS__
#define CYC_STRING(...) CYC_STRING_(__VA_ARGS__)

#if defined(__clang__) /* before __GNUC__, which Clang defines too */
#define CYC_TARGET_BEGIN(features, processor) \
    _Pragma(CYC_STRING(clang attribute push(__attribute__((target(features))), apply_to = function)))
#define CYC_TARGET_END _Pragma("clang attribute pop")
#elif defined(__GNUC__)
#define CYC_TARGET_BEGIN(features, processor) \
    _Pragma("GCC push_options") _Pragma(CYC_STRING(GCC target(features ",tune=" processor)))
#define CYC_TARGET_END _Pragma("GCC pop_options")
#else
#define CYC_TARGET_BEGIN(features, processor)
#define CYC_TARGET_END
#endif

/* Hints that the cache line at `p` will be read, soon or later: the latter need not enter the first
 * level. p may point anywhere. */
#if defined(_MSC_VER) && !defined(__clang__)
#define CYC_PREFETCH(p) ((void)(p))
#define CYC_PREFETCH_FAR(p) ((void)(p))
#else
#define CYC_PREFETCH(p) __builtin_prefetch(p)
#define CYC_PREFETCH_FAR(p) __builtin_prefetch(p, 0, 2)
#endif

/* The latter for so many bytes of each of some rows, `pitch` bytes apart, wherever they are. A function that is called:
 * where kernels are unrolled, they would have many copies of its loops. */
void cyc_fetch_rows(const void *first, ptrdiff_t rows, ptrdiff_t pitch, ptrdiff_t bytes);

/* CYC_RARE: a function that is seldom called, from many places. CYC_SHARED: one that GCC would copy for each of them. */
#if defined(_MSC_VER) && !defined(__clang__)
#define CYC_INLINE static __forceinline
#define CYC_RARE static __declspec(noinline)
#define CYC_SHARED CYC_RARE
#define CYC_UNROLL
#define CYC_NO_UNROLL
#elif defined(__clang__)
#define CYC_INLINE static inline __attribute__((always_inline, unused))
#define CYC_RARE static __attribute__((cold, noinline, unused))
#define CYC_SHARED static __attribute__((noinline, unused))
#define CYC_UNROLL _Pragma("unroll")
#define CYC_NO_UNROLL _Pragma("nounroll")
#else
#define CYC_INLINE static inline __attribute__((always_inline, unused))
#define CYC_RARE static __attribute__((cold, noinline, unused))
#define CYC_SHARED static __attribute__((noinline, noclone, unused))
#define CYC_UNROLL _Pragma("GCC unroll 32")
#define CYC_NO_UNROLL _Pragma("GCC unroll 1")
#endif

/* Keeps a vector of floats in a register: GCC repeats the load of one for each of its products. */
#if defined(__GNUC__) && CYC_X86_64
#define CYC_KEEP(vector) __asm__("" : "+v"(vector))
#else
#define CYC_KEEP(vector) (void)0
#endif

/* Hides where a pointer points, so that the compiler neither merges loads through it nor keeps addresses made from it in
 * registers. */
#if defined(__GNUC__)
#define CYC_FORGET(pointer) __asm__("" : "+r"(pointer))
#else
#define CYC_FORGET(pointer) (void)0
#endif

#endif
