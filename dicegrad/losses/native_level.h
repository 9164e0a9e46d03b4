/* The passes for float and double on one kind of processor: native.c includes this file once for
 * each. Numbers: the shift that rounds, the bits of the mantissa, the bias of the exponent, ln(2) in
 * two parts, and the exponent below which exp is taken for 0. */

#include "native_labels.h"

#define REAL float
#define UINT uint32_t
#define SUFFIX float
#define MAGIC 12582912.0f
#define MANTISSA 23
#define BIAS 127
#define LN2_HIGH 0.693359375f
#define LN2_LOW -2.12194440e-4f
#define LOWEST -86.5f
#define MAGNITUDE __builtin_fabsf
#include "native_kernel.h"
#undef REAL
#undef UINT
#undef SUFFIX
#undef MAGIC
#undef MANTISSA
#undef BIAS
#undef LN2_HIGH
#undef LN2_LOW
#undef LOWEST
#undef MAGNITUDE

#define DOUBLE
#define REAL double
#define UINT uint64_t
#define SUFFIX double
#define MAGIC 6755399441055744.0
#define MANTISSA 52
#define BIAS 1023
#define LN2_HIGH 0.693147180369123816490
#define LN2_LOW 1.90821492927058770002e-10
#define LOWEST -708.0
#define MAGNITUDE __builtin_fabs
#include "native_kernel.h"
#undef DOUBLE
#undef REAL
#undef UINT
#undef SUFFIX
#undef MAGIC
#undef MANTISSA
#undef BIAS
#undef LN2_HIGH
#undef LN2_LOW
#undef LOWEST
#undef MAGNITUDE
