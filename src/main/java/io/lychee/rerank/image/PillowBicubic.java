package io.lychee.rerank.image;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * Pillow's {@code Image.resize(size, BICUBIC)} for 8-bit RGB, bit for bit: integer coefficients of 22 bits, the
 * horizontal pass first, rounded and clipped to 8 bits, then the vertical one. The network was trained on pixels made
 * this way, and other bicubic filters differ in up to every fifth of them.
 */
public final class PillowBicubic {

    private static final int PRECISION_BITS = 32 - 8 - 2;
    private static final int HALF = 1 << (PRECISION_BITS - 1);
    private static final double A = -0.5;
    private static final double SUPPORT = 2.0;

    private PillowBicubic() {}

    /** @return buffer of {@code height × width × 3} bytes, position 0 */
    public static ByteBuffer resize(RgbImage image, int height, int width, Deadline deadline) throws IOException {
        ByteBuffer out = ByteBuffer.allocate(height * width * 3);
        if (image.height() == height && image.width() == width) {
            return out.put(image.data()).flip();
        }
        Taps horizontal = image.width() == width ? null : Taps.of(image.width(), width);
        if (image.height() == height) {
            int[] row = new int[width * 3];
            int[] source = new int[image.width() * 3];
            byte[] bytes = new byte[width * 3];
            for (int y = 0; y < height; y++) {
                deadline.check();
                horizontal(image, y, horizontal, source, row);
                for (int i = 0; i < row.length; i++) {
                    bytes[i] = (byte) row[i];
                }
                out.put(bytes);
            }
            return out.flip();
        }
        vertical(image, Taps.of(image.height(), height), horizontal, out, deadline);
        return out.flip();
    }

    /** Keeps as many horizontally resized rows as one output row needs, in a ring. */
    private static void vertical(
            RgbImage image, Taps taps, @Nullable Taps horizontal, ByteBuffer out, Deadline deadline)
            throws IOException {
        int width = horizontal == null ? image.width() : horizontal.size();
        int[][] ring = new int[taps.width][width * 3];
        int[] source = new int[image.width() * 3];
        int[] sum = new int[width * 3];
        byte[] bytes = new byte[width * 3];
        int done = taps.first[0];
        for (int y = 0; y < taps.size(); y++) {
            int first = taps.first[y];
            int count = taps.count[y];
            for (; done < first + count; done++) {
                deadline.check();
                horizontal(image, done, horizontal, source, ring[done % taps.width]);
            }
            Arrays.fill(sum, HALF);
            for (int k = 0; k < count; k++) {
                add(sum, ring[(first + k) % taps.width], taps.coefficients[y * taps.width + k]);
            }
            for (int i = 0; i < sum.length; i++) {
                bytes[i] = (byte) clip(sum[i] >> PRECISION_BITS);
            }
            out.put(bytes);
        }
    }

    private static void add(int[] sum, int[] row, int coefficient) {
        for (int i = 0; i < sum.length; i++) {
            sum[i] += row[i] * coefficient;
        }
    }

    /** One row, resized, as values 0 to 255. */
    private static void horizontal(RgbImage image, int y, @Nullable Taps taps, int[] source, int[] row) {
        byte[] data = image.data();
        int[] unpacked = taps == null ? row : source;
        int offset = y * image.width() * 3;
        for (int i = 0; i < unpacked.length; i++) {
            unpacked[i] = data[offset + i] & 0xff;
        }
        if (taps == null) {
            return;
        }
        for (int x = 0; x < taps.size(); x++) {
            int r = HALF;
            int g = HALF;
            int b = HALF;
            int at = taps.first[x] * 3;
            int from = x * taps.width;
            for (int k = from; k < from + taps.count[x]; k++) {
                int c = taps.coefficients[k];
                r += source[at] * c;
                g += source[at + 1] * c;
                b += source[at + 2] * c;
                at += 3;
            }
            row[3 * x] = clip(r >> PRECISION_BITS);
            row[3 * x + 1] = clip(g >> PRECISION_BITS);
            row[3 * x + 2] = clip(b >> PRECISION_BITS);
        }
    }

    private static int clip(int value) {
        return Math.max(0, Math.min(255, value));
    }

    /** For each output position: which input positions count, and how much. */
    private static final class Taps {

        private final int width;
        private final int[] first;
        private final int[] count;
        private final int[] coefficients;

        private Taps(int width, int size) {
            this.width = width;
            this.first = new int[size];
            this.count = new int[size];
            this.coefficients = new int[width * size];
        }

        int size() {
            return first.length;
        }

        static Taps of(int in, int out) {
            double scale = (double) in / out;
            double filterScale = Math.max(scale, 1.0);
            double support = SUPPORT * filterScale;
            Taps taps = new Taps((int) Math.ceil(support) * 2 + 1, out);
            double[] weights = new double[taps.width];
            for (int i = 0; i < out; i++) {
                double center = (i + 0.5) * scale;
                // truncation towards zero, as in C
                int first = Math.max((int) (center - support + 0.5), 0);
                int count = Math.min((int) (center + support + 0.5), in) - first;
                double sum = 0;
                for (int k = 0; k < count; k++) {
                    weights[k] = bicubic((k + first - center + 0.5) * (1.0 / filterScale));
                    sum += weights[k];
                }
                taps.first[i] = first;
                taps.count[i] = count;
                for (int k = 0; k < count; k++) {
                    double weight = sum == 0.0 ? weights[k] : weights[k] / sum;
                    double scaled = weight * (1 << PRECISION_BITS);
                    taps.coefficients[i * taps.width + k] = (int) (scaled < 0 ? scaled - 0.5 : scaled + 0.5);
                }
            }
            return taps;
        }

        private static double bicubic(double distance) {
            double x = Math.abs(distance);
            if (x < 1.0) {
                return ((A + 2.0) * x - (A + 3.0)) * x * x + 1;
            }
            if (x < 2.0) {
                return (((x - 5) * x + 8) * x - 4) * A;
            }
            return 0.0;
        }
    }
}
