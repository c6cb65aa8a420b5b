// Attends: softmax(q · k / sqrt(HEAD)) · v, over packed sequences whose keys are not gathered. As FlashAttention, it
// holds no matrix of weights: a block reads KEYS keys and values at once, and corrects its sum when a larger weight
// comes.
//
// A block computes one tile for one head of keys: up to ROWS rows, each one query head of one token. All query heads
// that share the keys are beside each other, so short sequences fill a tile too, and keys are read once for all of
// them. A warp computes 16 rows with the tensor cores' product of 16 × 8 × 16, sums in float32. Lane l holds of each
// 16 × 8 sum the columns l % 4 · 2 and the next, in row l / 4 (the first two numbers) and in row l / 4 + 8 (the last
// two).
//
// HEAD: numbers of a head, a multiple of 8, at most 128. Shared memory: 35 KB with HEAD 128.

constexpr int ROWS = 64, KEYS = 32, WARPS = ROWS / 16, BLOCKS = 4; // BLOCKS: of one processor, at once
constexpr int CHUNKS = HEAD / 8, STEPS = (HEAD + 15) / 16;         // STEPS: products that make a head, the last padded
constexpr int STRIDE = 2 * STEPS + 1;                              // odd: neighbouring rows lie in different banks

#if __CUDA_ARCH__ >= 800
__device__ void copy_async(unsigned int to, const Chunk* from) {
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(to), "l"(from) : "memory");
}

__device__ void wait_for_copies() {
    asm volatile("cp.async.wait_all;" ::: "memory");
    __syncthreads();
}

// Loads four blocks of 8 × 8 numbers; each lane gives the address of one row of one block.
template <bool TRANSPOSED>
__device__ void load(unsigned int (&blocks)[4], unsigned int row) {
    if (TRANSPOSED) {
        asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
                     : "=r"(blocks[0]), "=r"(blocks[1]), "=r"(blocks[2]), "=r"(blocks[3]) : "r"(row) : "memory");
    } else {
        asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                     : "=r"(blocks[0]), "=r"(blocks[1]), "=r"(blocks[2]), "=r"(blocks[3]) : "r"(row) : "memory");
    }
}

// Adds the product of a (16 × 16) and b (16 × 8) to sum (16 × 8).
__device__ void multiply(float (&sum)[4], const unsigned int (&a)[4], unsigned int b0, unsigned int b1) {
#ifdef FLOAT16
#define PRODUCT "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32"
#else
#define PRODUCT "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32"
#endif
    asm volatile(PRODUCT " {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
                 : "+f"(sum[0]), "+f"(sum[1]), "+f"(sum[2]), "+f"(sum[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

// Combines a value of the four lanes that hold a row: their sum, or their maximum.
template <bool SUM>
__device__ float of_row(float value) {
    for (int distance = 1; distance < 4; distance *= 2) {
        float other = __shfl_xor_sync(0xffffffffu, value, distance);
        value = SUM ? value + other : fmaxf(value, other);
    }
    return value;
}

__device__ float power_of_two(float x) {
    float y;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
}
#endif

// q: rows of heads * group heads, out: the same without gaps; k, v: rows of heads heads; strides: chunks from row to row.
// tiles: five numbers each, see attention.py; scale: of the exponents, to base 2. Blocks: tiles * heads.
extern "C" __global__ void __launch_bounds__(32 * WARPS, BLOCKS) attend(
    const Chunk* q, const Chunk* k, const Chunk* v, Chunk* out, const int* tiles,
    int q_stride, int k_stride, int heads, int group, float scale) {
#if __CUDA_ARCH__ >= 800
    __shared__ Chunk shared[(ROWS + 2 * KEYS) * STRIDE];
    const int head = blockIdx.x % heads;
    tiles += (gridDim.x / heads - 1 - blockIdx.x / heads) * 5; // from the last: those with the most keys
    const int first = tiles[0], rows = tiles[1] * group;
    const int common_start = tiles[2], common = tiles[3], own_start = tiles[4];
    const int keys = common + first + tiles[1] - own_start;
    q += (long long)first * q_stride + head * group * CHUNKS;
    out += (long long)first * heads * group * CHUNKS + head * group * CHUNKS;
    k += head * CHUNKS;
    v += head * CHUNKS;
    const unsigned int q_tile = (unsigned int)__cvta_generic_to_shared(shared);
    const unsigned int k_tile = q_tile + ROWS * STRIDE * 16, v_tile = k_tile + KEYS * STRIDE * 16;
    const int lane = threadIdx.x % 32, warp_row = threadIdx.x / 32 * 16;

    if (HEAD % 16 != 0) { // the padding's zeros, which no copy overwrites
        for (int i = threadIdx.x; i < ROWS + 2 * KEYS; i += 32 * WARPS) {
            shared[i * STRIDE + CHUNKS] = Chunk{};
        }
    }
    for (int i = threadIdx.x; i < ROWS * CHUNKS; i += 32 * WARPS) {
        int row = min(i / CHUNKS, rows - 1), chunk = i % CHUNKS; // behind the last row its copies, not written
        copy_async(q_tile + (i / CHUNKS * STRIDE + chunk) * 16,
                   q + (long long)(row / group) * q_stride + row % group * CHUNKS + chunk);
    }
    auto copy = [&](unsigned int to, const Chunk* from, int start) {
        for (int i = threadIdx.x; i < KEYS * CHUNKS; i += 32 * WARPS) {
            int key = min(start + i / CHUNKS, keys - 1), chunk = i % CHUNKS;
            int row = key < common ? common_start + key : own_start + key - common;
            copy_async(to + (i / CHUNKS * STRIDE + chunk) * 16, from + (long long)row * k_stride + chunk);
        }
    };
    copy(k_tile, k, 0);

    float sums[2 * STEPS][4] = {}; // of 16 rows and HEAD columns
    float most[2] = {-1e30f, -1e30f}, weights[2] = {};
    int last[2]; // the last key of this lane's two rows
    for (int half = 0; half < 2; half++) {
        int token = min(warp_row + lane / 4 + 8 * half, rows - 1) / group;
        last[half] = max(common - 1, common + first + token - own_start);
    }
    const int first_last = max(common - 1, common + first - own_start); // of the tile's first row
    const unsigned int q_row = q_tile + ((warp_row + lane % 16) * STRIDE + lane / 16) * 16;
    const unsigned int k_row = k_tile + ((lane % 8 + lane / 16 * 8) * STRIDE + lane / 8 % 2) * 16;
    const unsigned int v_row = v_tile + (lane % 16 * STRIDE + lane / 16) * 16;
    for (int start = 0; start < keys; start += KEYS) {
        wait_for_copies(); // k is here, and nobody reads the last v
        copy(v_tile, v, start);
        float s[KEYS / 8][4] = {}; // of 16 rows and KEYS keys
#pragma unroll
        for (int step = 0; step < STEPS; step++) {
            unsigned int a[4], b[4];
            load<false>(a, q_row + step * 32);
#pragma unroll
            for (int n = 0; n < KEYS / 16; n++) {
                load<false>(b, k_row + (n * 16 * STRIDE + step * 2) * 16);
                multiply(s[2 * n], a, b[0], b[1]);
                multiply(s[2 * n + 1], a, b[2], b[3]);
            }
        }
        wait_for_copies(); // v is here, and nobody reads this k
        if (start + KEYS < keys) {
            copy(k_tile, k, start + KEYS);
        }
        if (start + KEYS - 1 > first_last) {
#pragma unroll
            for (int i = 0; i < KEYS / 2; i++) {
                if (start + i / 4 * 8 + lane % 4 * 2 + i % 2 > last[i / 2 % 2]) {
                    s[i / 4][i % 4] = -1e30f;
                }
            }
        }
#pragma unroll
        for (int half = 0; half < 2; half++) {
            float now = most[half];
#pragma unroll
            for (int n = 0; n < KEYS / 8; n++) {
                now = fmaxf(now, fmaxf(s[n][2 * half], s[n][2 * half + 1]));
            }
            now = of_row<false>(now);
            float shrink = power_of_two((most[half] - now) * scale);
            most[half] = now;
            weights[half] *= shrink;
#pragma unroll
            for (int n = 0; n < KEYS / 8; n++) {
                for (int i = 2 * half; i < 2 * half + 2; i++) {
                    s[n][i] = power_of_two(s[n][i] * scale - now * scale);
                    weights[half] += s[n][i];
                }
            }
#pragma unroll
            for (int n = 0; n < 2 * STEPS; n++) {
                sums[n][2 * half] *= shrink;
                sums[n][2 * half + 1] *= shrink;
            }
        }
#pragma unroll
        for (int step = 0; step < KEYS / 16; step++) {
            unsigned int b[4], a[4] = {
                narrow(s[2 * step][0], s[2 * step][1]), narrow(s[2 * step][2], s[2 * step][3]),
                narrow(s[2 * step + 1][0], s[2 * step + 1][1]), narrow(s[2 * step + 1][2], s[2 * step + 1][3])};
#pragma unroll
            for (int n = 0; n < STEPS; n++) {
                load<true>(b, v_row + (step * 16 * STRIDE + n * 2) * 16);
                multiply(sums[2 * n], a, b[0], b[1]);
                multiply(sums[2 * n + 1], a, b[2], b[3]);
            }
        }
    }
    // through the warp's own rows of q, so that memory is written in chunks
#pragma unroll
    for (int half = 0; half < 2; half++) {
        float factor = 1.0f / of_row<true>(weights[half]);
        unsigned int* row = (unsigned int*)(shared + (warp_row + lane / 4 + 8 * half) * STRIDE) + lane % 4;
#pragma unroll
        for (int n = 0; n < 2 * STEPS; n++) {
            row[4 * n] = narrow(sums[n][2 * half] * factor, sums[n][2 * half + 1] * factor);
        }
    }
    __syncwarp();
    for (int i = lane; i < 16 * CHUNKS; i += 32) {
        int row = warp_row + i / CHUNKS, chunk = i % CHUNKS;
        if (row < rows) {
            long long at = (long long)(row / group) * heads * group + row % group;
            out[at * CHUNKS + chunk] = shared[row * STRIDE + chunk];
        }
    }
#endif
}
