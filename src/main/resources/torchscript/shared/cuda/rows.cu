// Fuses operations that are limited by memory: each kernel reads and writes a row once. The numbers of a row are a
// multiple of 8. A block computes one row; a thread holds up to HELD chunks of it in registers.

constexpr float LARGEST_E4M3 = 448.0f;

__device__ float largest(float value, const float (&x)[8]) {
    for (int i = 0; i < 8; i++) {
        value = fmaxf(value, fabsf(x[i]));
    }
    return value;
}

// Combines a value of each thread of the block: their sum, or their maximum.
template <bool SUM>
__device__ float of_block(float value) {
    __shared__ float warps[32];
    for (int distance = 16; distance > 0; distance /= 2) {
        float other = __shfl_xor_sync(0xffffffffu, value, distance);
        value = SUM ? value + other : fmaxf(value, other);
    }
    __syncthreads();  // a call before may still be reading
    if (threadIdx.x % 32 == 0) {
        warps[threadIdx.x / 32] = value;
    }
    __syncthreads();
    value = threadIdx.x % 32 < blockDim.x / 32 ? warps[threadIdx.x % 32] : 0.0f;  // 0: the neutral of absolute values
    for (int distance = 16; distance > 0; distance /= 2) {
        float other = __shfl_xor_sync(0xffffffffu, value, distance);
        value = SUM ? value + other : fmaxf(value, other);
    }
    return value;
}

#if __CUDA_ARCH__ >= 890
__device__ unsigned int e4m3(float a, float b, float c, float d) {  // a in the lowest byte; saturates
    unsigned short low, high;
    asm("cvt.rn.satfinite.e4m3x2.f32 %0, %1, %2;" : "=h"(low) : "f"(b), "f"(a));
    asm("cvt.rn.satfinite.e4m3x2.f32 %0, %1, %2;" : "=h"(high) : "f"(d), "f"(c));
    return low | (unsigned int)high << 16;
}

__device__ uint2 e4m3(const float (&x)[8], float factor) {
    return make_uint2(
        e4m3(x[0] * factor, x[1] * factor, x[2] * factor, x[3] * factor),
        e4m3(x[4] * factor, x[5] * factor, x[6] * factor, x[7] * factor));
}
#endif

// Returns the scale of a row whose numbers are at most this large; writes it once.
__device__ float scale_of_row(float most, float* scales) {
    float scale = fmaxf(of_block<false>(most), 1e-12f) / LARGEST_E4M3;
    if (threadIdx.x == 0) {
        scales[blockIdx.x] = scale;
    }
    return scale;
}

// Adds delta to x, in place, and normalises the sum by its root mean square: y = x / rms(x) * weight.
// Reads x, delta and weight, writes x and y: 8 bytes a number, 7 with y in e4m3. Without delta x is only read.
template <int HELD, bool ADD, bool QUANTISE>
__device__ void add_rms(Chunk* x, const Chunk* delta, const Chunk* weight, void* y, float* scales, int chunks, float eps) {
    x += (long long)blockIdx.x * chunks;
    delta += (long long)blockIdx.x * chunks;
    Chunk held[HELD];
    float squares = 0.0f;
#pragma unroll
    for (int i = 0; i < HELD; i++) {
        int at = threadIdx.x + i * blockDim.x;
        if (at < chunks) {
            float sum[8];
            held[i] = x[at];
            widen(held[i], sum);
            if (ADD) {
                float more[8];
                widen(delta[at], more);
                for (int j = 0; j < 8; j++) {
                    sum[j] += more[j];
                }
                held[i] = narrow(sum);
                x[at] = held[i];
                widen(held[i], sum);
            }
            for (int j = 0; j < 8; j++) {
                squares += sum[j] * sum[j];
            }
        }
    }
    float factor = rsqrtf(of_block<true>(squares) / (8 * chunks) + eps);
    float most = 0.0f;
    float normal[HELD][8];
#pragma unroll
    for (int i = 0; i < HELD; i++) {
        int at = threadIdx.x + i * blockDim.x;
        if (at < chunks) {
            float by[8];
            widen(held[i], normal[i]);
            widen(weight[at], by);
            for (int j = 0; j < 8; j++) {
                normal[i][j] *= factor * by[j];
            }
            if (QUANTISE) {
                most = largest(most, normal[i]);
            } else {
                ((Chunk*)y)[(long long)blockIdx.x * chunks + at] = narrow(normal[i]);
            }
        }
    }
#if __CUDA_ARCH__ >= 890
    if (QUANTISE) {
        float inverse = 1.0f / scale_of_row(most, scales);
#pragma unroll
        for (int i = 0; i < HELD; i++) {
            int at = threadIdx.x + i * blockDim.x;
            if (at < chunks) {
                ((uint2*)y)[(long long)blockIdx.x * chunks + at] = e4m3(normal[i], inverse);
            }
        }
    }
#endif
}

// Computes silu(gate) * up, silu(x) = x / (1 + exp(-x)). Reads both, writes gate: 6 bytes a number, 5 to e4m3.
__device__ void silu_mul(Chunk gate, Chunk up, float (&product)[8]) {
    float by[8];
    widen(gate, product);
    widen(up, by);
    for (int j = 0; j < 8; j++) {
        product[j] *= by[j] / (1.0f + __expf(-product[j]));
    }
}

extern "C" __global__ void silu_mul_(Chunk* gate, const Chunk* up, long long chunks) {
    long long at = blockIdx.x * (long long)blockDim.x + threadIdx.x;
    if (at < chunks) {
        float product[8];
        silu_mul(gate[at], up[at], product);
        gate[at] = narrow(product);
    }
}

// Converts a row to e4m3: x, or silu(x) * up. Reads and writes each number once: 3 bytes, 5 with up.
template <int HELD, bool SILU>
__device__ void quantise(const Chunk* x, const Chunk* up, uint2* y, float* scales, int chunks) {
#if __CUDA_ARCH__ >= 890
    long long row = (long long)blockIdx.x * chunks;
    Chunk held[HELD];  // as 16 bits: half the registers, so that more rows are in flight
    float most = 0.0f;
#pragma unroll
    for (int i = 0; i < HELD; i++) {
        int at = threadIdx.x + i * blockDim.x;
        if (at < chunks) {
            float numbers[8];
            held[i] = x[row + at];
            if (SILU) {
                silu_mul(held[i], up[row + at], numbers);
                held[i] = narrow(numbers);
            }
            widen(held[i], numbers);
            most = largest(most, numbers);
        }
    }
    float inverse = 1.0f / scale_of_row(most, scales);
#pragma unroll
    for (int i = 0; i < HELD; i++) {
        int at = threadIdx.x + i * blockDim.x;
        if (at < chunks) {
            float numbers[8];
            widen(held[i], numbers);
            y[row + at] = e4m3(numbers, inverse);
        }
    }
#endif
}

// Rotates the pairs of neighbours in each head of a row: (a + bi) * turn. In place: reads and writes 4 bytes a number.
// stride: chunks from row to row; chunks: those to rotate; head: those of a head; turns: head * 4 complex numbers a row
extern "C" __global__ void rotate_(Chunk* x, const float4* turns, int stride, int chunks, int head) {
    x += (long long)blockIdx.x * stride;
    turns += (long long)blockIdx.x * head * 2;
    for (int at = threadIdx.x; at < chunks; at += blockDim.x) {
        float4 first = turns[at % head * 2], second = turns[at % head * 2 + 1];
        float v[8];
        widen(x[at], v);
        float rotated[8] = {
            v[0] * first.x - v[1] * first.y, v[0] * first.y + v[1] * first.x,
            v[2] * first.z - v[3] * first.w, v[2] * first.w + v[3] * first.z,
            v[4] * second.x - v[5] * second.y, v[4] * second.y + v[5] * second.x,
            v[6] * second.z - v[7] * second.w, v[6] * second.w + v[7] * second.z,
        };
        x[at] = narrow(rotated);
    }
}

#define RMS_KERNEL(NAME, HELD, ADD, QUANTISE)                                                                        \
    extern "C" __global__ void NAME(                                                                                 \
        Chunk* x, Chunk* delta, Chunk* weight, void* y, float* scales, int chunks, float eps) {                      \
        add_rms<HELD, ADD, QUANTISE>(x, delta, weight, y, scales, chunks, eps);                                      \
    }

#define E4M3_KERNEL(NAME, HELD, SILU)                                                                                \
    extern "C" __global__ void NAME(const Chunk* x, const Chunk* up, uint2* y, float* scales, int chunks) {          \
        quantise<HELD, SILU>(x, up, y, scales, chunks);                                                              \
    }

#define ROW_KERNELS(HELD)                                                                                            \
    RMS_KERNEL(rms_##HELD, HELD, false, false)                                                                       \
    RMS_KERNEL(add_rms_##HELD, HELD, true, false)                                                                    \
    RMS_KERNEL(rms_e4m3_##HELD, HELD, false, true)                                                                   \
    RMS_KERNEL(add_rms_e4m3_##HELD, HELD, true, true)                                                                \
    E4M3_KERNEL(e4m3_##HELD, HELD, false)                                                                            \
    E4M3_KERNEL(silu_mul_e4m3_##HELD, HELD, true)

ROW_KERNELS(1)
ROW_KERNELS(2)
ROW_KERNELS(4)
ROW_KERNELS(8)
