package io.lychee.rerank.image;

import java.io.IOException;
import java.util.Arrays;

/**
 * Resizes as Pillow's {@code Image.resize(size, BICUBIC)} does for 8-bit RGB, bit for bit. Coefficients are integers of
 * 22 bits; the horizontal pass is rounded and clipped to 8 bits, then the vertical one. The network was trained on such
 * pixels, and other bicubic filters differ in up to every fifth of them.
 */
final class PillowBicubic {

    private static final int PRECISION_BITS = 32 - 8 - 2;
    private static final int HALF = 1 << (PRECISION_BITS - 1);
    private static final double A = -0.5;
    private static final double SUPPORT = 2.0;

    private PillowBicubic() {}

    /** @return the image itself where it has that size */
    static RgbImage resize(RgbImage image, int height, int width, Deadline deadline) throws IOException {
        if (image.height() == height && image.width() == width) {
            return image;
        }
        byte[] out = new byte[height * width * 3];
        Taps horizontal = new Taps(image.width(), width);
        Taps vertical = new Taps(image.height(), height);
        // as many horizontally resized rows as one output row needs
        int[][] ring = new int[vertical.width][width * 3];
        int[] source = new int[image.width() * 3];
        int[] sum = new int[width * 3];
        int done = vertical.first[0];
        for (int y = 0; y < height; y++) {
            int first = vertical.first[y];
            int count = vertical.count[y];
            for (; done < first + count; done++) {
                deadline.check();
                horizontal(image, done, horizontal, source, ring[done % vertical.width]);
            }
            Arrays.fill(sum, HALF);
            for (int k = 0; k < count; k++) {
                add(sum, ring[(first + k) % vertical.width], vertical.coefficients[y * vertical.width + k]);
            }
            for (int i = 0; i < sum.length; i++) {
                out[y * sum.length + i] = (byte) RgbImage.clip(sum[i] >> PRECISION_BITS);
            }
        }
        return new RgbImage(width, height, out);
    }

    private static void add(int[] sum, int[] row, int coefficient) {
        for (int i = 0; i < sum.length; i++) {
            sum[i] += row[i] * coefficient;
        }
    }

    /** Resizes row {@code y} to values 0 to 255. */
    private static void horizontal(RgbImage image, int y, Taps taps, int[] source, int[] row) {
        byte[] data = image.data();
        int offset = y * source.length;
        for (int i = 0; i < source.length; i++) {
            source[i] = data[offset + i] & 0xff;
        }
        for (int x = 0; x < taps.first.length; x++) {
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
            row[3 * x] = RgbImage.clip(r >> PRECISION_BITS);
            row[3 * x + 1] = RgbImage.clip(g >> PRECISION_BITS);
            row[3 * x + 2] = RgbImage.clip(b >> PRECISION_BITS);
        }
    }

    /** The input positions of each output position, and their coefficients. */
    private static final class Taps {

        private final int width;
        private final int[] first;
        private final int[] count;
        private final int[] coefficients;

        Taps(int in, int out) {
            double scale = (double) in / out;
            double filterScale = Math.max(scale, 1.0);
            // at the same size each position is its own: the filter is 1 there and 0 at its neighbors
            double support = in == out ? 0.5 : SUPPORT * filterScale;
            width = (int) Math.ceil(support) * 2 + 1;
            first = new int[out];
            count = new int[out];
            coefficients = new int[width * out];
            double[] weights = new double[width];
            for (int i = 0; i < out; i++) {
                double center = (i + 0.5) * scale;
                // truncation towards zero, as in C
                first[i] = Math.max((int) (center - support + 0.5), 0);
                count[i] = Math.min((int) (center + support + 0.5), in) - first[i];
                double sum = 0;
                for (int k = 0; k < count[i]; k++) {
                    weights[k] = bicubic((k + first[i] - center + 0.5) * (1.0 / filterScale));
                    sum += weights[k];
                }
                for (int k = 0; k < count[i]; k++) {
                    double weight = sum == 0.0 ? weights[k] : weights[k] / sum;
                    double scaled = weight * (1 << PRECISION_BITS);
                    coefficients[i * width + k] = (int) (scaled < 0 ? scaled - 0.5 : scaled + 0.5);
                }
            }
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
