// Reads and writes 16-bit numbers, for the other texts. NVRTC compiles them at start, for the very GPU, and has no
// headers: numbers are converted by PTX instructions.
//
// Number: bfloat16, or float16 with -DFLOAT16. Memory is read and written in chunks of 8 numbers (16 bytes).

using Chunk = uint4;

__device__ float2 widen(unsigned int pair) {
#ifdef FLOAT16
    float2 x;
    asm("{.reg .f16 a, b; mov.b32 {a, b}, %2; cvt.f32.f16 %0, a; cvt.f32.f16 %1, b;}" : "=f"(x.x), "=f"(x.y) : "r"(pair));
    return x;
#else
    return make_float2(__uint_as_float(pair << 16), __uint_as_float(pair & 0xffff0000u));
#endif
}

__device__ unsigned int narrow(float low, float high) {
    unsigned int pair;
#ifdef FLOAT16
    asm("{.reg .f16 a, b; cvt.rn.f16.f32 a, %1; cvt.rn.f16.f32 b, %2; mov.b32 %0, {a, b};}" : "=r"(pair) : "f"(low), "f"(high));
#else
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(pair) : "f"(high), "f"(low));
#endif
    return pair;
}

__device__ void widen(Chunk chunk, float (&x)[8]) {
    float2 a = widen(chunk.x), b = widen(chunk.y), c = widen(chunk.z), d = widen(chunk.w);
    x[0] = a.x, x[1] = a.y, x[2] = b.x, x[3] = b.y, x[4] = c.x, x[5] = c.y, x[6] = d.x, x[7] = d.y;
}

__device__ Chunk narrow(const float (&x)[8]) {
    return make_uint4(narrow(x[0], x[1]), narrow(x[2], x[3]), narrow(x[4], x[5]), narrow(x[6], x[7]));
}
