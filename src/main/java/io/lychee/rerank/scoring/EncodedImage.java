package io.lychee.rerank.scoring;

import java.nio.ByteBuffer;

/** An image as the network takes it: resized, 8-bit, not yet normalised. Immutable. */
public final class EncodedImage {

    private final int height;
    private final int width;
    private final ByteBuffer rgb;
    private final Sha256 key;

    /** @param rgb {@code height × width × 3} bytes, row by row, red green blue */
    public EncodedImage(int height, int width, ByteBuffer rgb) {
        if (rgb.remaining() != height * width * 3) {
            throw new IllegalArgumentException(
                    "%d bytes for %d × %d pixels of 3".formatted(rgb.remaining(), height, width));
        }
        this.height = height;
        this.width = width;
        this.rgb = rgb.asReadOnlyBuffer();
        ByteBuffer shape = ByteBuffer.allocate(40).putInt(height).putInt(width);
        Sha256.of(rgb).writeTo(shape);
        this.key = Sha256.of(shape.flip());
    }

    /** Returns a key that is equal for images of equal size and pixels only. */
    public Sha256 key() {
        return key;
    }

    /** Returns pixels; a multiple of patch size × merge size. */
    public int height() {
        return height;
    }

    /** Returns pixels; a multiple of patch size × merge size. */
    public int width() {
        return width;
    }

    /** Returns a fresh view of the pixels, position 0. */
    public ByteBuffer rgb() {
        return rgb.duplicate();
    }

    public int bytes() {
        return height * width * 3;
    }
}
