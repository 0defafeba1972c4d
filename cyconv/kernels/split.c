/* Products of parts (split.h), but for the products: splitting, and which results are doubtful, with AVX-512. */
#include "split_units.h"

#if CYC_HAVE_AVX512
#include <immintrin.h>

CYC_TARGET_BEGIN("avx512f,avx512bw,avx512dq,avx512vl", "skylake-avx512")

/* Exponents as stored in a float32. Parts of numbers from 2^-100 on are normal numbers, as are products of parts, and
 * the rounding errors of their sums, where the product of the numbers is at least 2^-96. Where numbers are smaller, n
 * terms lose n 2^-125 (|x| + |w| + 3) at most. A result 2^66 times as small as the largest of these three, or larger,
 * does not notice: that is a quarter of its own rounding error, for n up to 2^30. */
enum {
    EXPONENT_BIAS = 127,
    EXPONENT_BITS = 7, /* from which on they are stored, in a bfloat16 */
    LEAST_EXPONENT = EXPONENT_BIAS - 100,
    LEAST_PRODUCT_EXPONENT = 2 * EXPONENT_BIAS - 96,
    NOTICED_EXPONENTS = 66,
    INFINITE = 0x7f80, /* magnitude of a bfloat16 */
};

#include "split_operands.inc.h"

#include "split_doubtful.inc.h"

CYC_TARGET_END
#endif
