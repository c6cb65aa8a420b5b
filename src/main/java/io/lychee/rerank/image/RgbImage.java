package io.lychee.rerank.image;

/** Decoded pixels on the heap, 8-bit, row by row, red green blue. The array is shared, not copied. */
public final class RgbImage {

    private final int width;
    private final int height;
    private final byte[] data;

    RgbImage(int width, int height, byte[] data) {
        if (data.length != 3L * width * height) {
            throw new IllegalArgumentException(
                    "%d bytes for %d × %d pixels of 3".formatted(data.length, width, height));
        }
        this.width = width;
        this.height = height;
        this.data = data;
    }

    public int width() {
        return width;
    }

    public int height() {
        return height;
    }

    byte[] data() {
        return data;
    }
}
