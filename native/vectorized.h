// Marks functions whose loops become vector instructions: the compiler makes them once for each of these processors,
// and the dynamic linker picks what the machine has. (AddressSanitizer cannot start before the linker has picked.)
#pragma once

#if defined(__x86_64__) && defined(__gnu_linux__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__)
#define PENSTOCK_VECTORIZED __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define PENSTOCK_VECTORIZED
#endif

// What such a function calls, lambdas too, must become a part of it, or it is compiled for any processor.
#define PENSTOCK_INLINE __attribute__((always_inline))

// Marks functions that only machines with AVX-512 call: those with vectors as types, which clones would take apart.
#if defined(__x86_64__) && defined(__GNUC__)
#define PENSTOCK_WIDE __attribute__((target("arch=x86-64-v4")))
#else
#define PENSTOCK_WIDE
#endif
