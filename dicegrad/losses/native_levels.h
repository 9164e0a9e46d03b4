/* Includes LEVEL_FILE once for each kind of processor, with its name in LEVEL, and in LANES how many
 * floats its registers hold. */

#define LEVEL baseline
#define LANES 4
#include LEVEL_FILE
#undef LEVEL
#undef LANES

#if defined(__x86_64__)
#define LEVEL avx2
#define LANES 8
#ifdef __clang__
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#include LEVEL_FILE
#pragma clang attribute pop
#else
#pragma GCC push_options
#pragma GCC target("avx2,fma")
#include LEVEL_FILE
#pragma GCC pop_options
#endif
#undef LEVEL
#undef LANES

#define LEVEL avx512
#define LANES 16
#ifdef __clang__
#pragma clang attribute push(__attribute__((target("avx512f,avx512vl,avx512bw,avx512dq,fma"))), \
                             apply_to = function)
#include LEVEL_FILE
#pragma clang attribute pop
#else
#pragma GCC push_options
#pragma GCC target("avx512f,avx512vl,avx512bw,avx512dq,fma,prefer-vector-width=512")
#include LEVEL_FILE
#pragma GCC pop_options
#endif
#undef LEVEL
#undef LANES
#endif
