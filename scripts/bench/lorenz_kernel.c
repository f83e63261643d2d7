/* The peer of lorenz_ens.py: Lorenz-63 by Euler's method with AVX2 intrinsics, four vectors of four members interleaved.

   cc -O3 -march=native -ffp-contract=off -pthread lorenz_kernel.c -o lorenz_kernel
   lorenz_kernel MEMBERS STEPS THREADS SECONDS < states > states

   Reads x, y and z of all members as doubles, integrates them repeatedly for SECONDS, writes the final states, and prints the
   fastest time to standard error. MEMBERS must be a multiple of 16. */
#include <immintrin.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { VECTORS = 4, LANES = 4, GROUP = VECTORS * LANES };

static void integrate(double *x, double *y, double *z, long members, long steps) {
    const __m256d sigma = _mm256_set1_pd(10.0), rho = _mm256_set1_pd(28.0), beta = _mm256_set1_pd(8.0 / 3.0);
    const __m256d dt = _mm256_set1_pd(0.01);
    for (long first = 0; first < members; first += GROUP) {
        __m256d a[VECTORS], b[VECTORS], c[VECTORS];
        for (int v = 0; v < VECTORS; v++) {
            a[v] = _mm256_loadu_pd(x + first + v * LANES);
            b[v] = _mm256_loadu_pd(y + first + v * LANES);
            c[v] = _mm256_loadu_pd(z + first + v * LANES);
        }
        for (long step = 0; step < steps; step++) {
#pragma GCC unroll 4
            for (int v = 0; v < VECTORS; v++) {
                __m256d dx = _mm256_mul_pd(sigma, _mm256_sub_pd(b[v], a[v]));
                __m256d dy = _mm256_sub_pd(_mm256_sub_pd(_mm256_mul_pd(rho, a[v]), b[v]), _mm256_mul_pd(a[v], c[v]));
                __m256d dz = _mm256_sub_pd(_mm256_mul_pd(a[v], b[v]), _mm256_mul_pd(beta, c[v]));
                a[v] = _mm256_add_pd(a[v], _mm256_mul_pd(dx, dt));
                b[v] = _mm256_add_pd(b[v], _mm256_mul_pd(dy, dt));
                c[v] = _mm256_add_pd(c[v], _mm256_mul_pd(dz, dt));
            }
        }
        for (int v = 0; v < VECTORS; v++) {
            _mm256_storeu_pd(x + first + v * LANES, a[v]);
            _mm256_storeu_pd(y + first + v * LANES, b[v]);
            _mm256_storeu_pd(z + first + v * LANES, c[v]);
        }
    }
}

struct part {
    double *x, *y, *z;
    long members, steps;
};

static void *work(void *argument) {
    struct part *part = argument;
    integrate(part->x, part->y, part->z, part->members, part->steps);
    return NULL;
}

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

int main(int count, char **arguments) {
    if (count != 5) return 2;
    long members = atol(arguments[1]), steps = atol(arguments[2]), threads = atol(arguments[3]);
    double limit = atof(arguments[4]), best = 1e300;
    size_t bytes = (size_t)members * 3 * sizeof(double);
    if (members <= 0 || members % GROUP || threads < 1 || threads > 1024) return 2;
    double *start = malloc(bytes), *states = malloc(bytes);
    if (!start || !states || fread(start, 1, bytes, stdin) != bytes) return 3;
    for (double begun = now(); now() - begun < limit;) {
        memcpy(states, start, bytes);
        double *x = states, *y = states + members, *z = states + 2 * members;
        double started = now();
        pthread_t ids[1024];
        struct part parts[1024];
        long groups = members / GROUP, first = 0;
        for (long t = 0; t < threads; t++) {
            long last = groups * (t + 1) / threads * GROUP;
            parts[t] = (struct part){x + first, y + first, z + first, last - first, steps};
            first = last;
            if (t + 1 == threads) work(&parts[t]);
            else if (pthread_create(&ids[t], NULL, work, &parts[t])) return 4;
        }
        for (long t = 0; t + 1 < threads; t++) pthread_join(ids[t], NULL);
        double seconds = now() - started;
        if (seconds < best) best = seconds;
    }
    fprintf(stderr, "%.9f\n", best);
    return fwrite(states, 1, bytes, stdout) == bytes ? 0 : 3;
}
