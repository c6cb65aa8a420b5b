package io.lychee.rerank.image;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Turns a picture upright, by the number that EXIF and XMP give the way its camera was held.
 *
 * @param value 1 (upright) to 8; any other counts as upright
 */
record Orientation(int value) {

    static final Orientation UPRIGHT = new Orientation(1);

    private static final Pattern XMP = Pattern.compile("tiff:Orientation(?:=\"|>)([0-9])");

    /** Reads EXIF, and XMP where EXIF has no such tag, as Pillow does; upright where they say nothing or nonsense. */
    static Orientation of(ByteBuffer exif, ByteBuffer xmp) {
        int value = Exif.orientation(exif);
        if (value > 0) {
            return new Orientation(value);
        }
        Matcher found = XMP.matcher(new Characters(xmp, 0, xmp.limit()));
        return found.find() ? new Orientation(Integer.parseInt(found.group(1))) : UPRIGHT;
    }

    /** The picture upright. */
    RgbImage apply(RgbImage image, Deadline deadline) throws IOException {
        int w = image.width();
        int h = image.height();
        int last = w * h - 1;
        // where output pixel (0, 0) comes from, and the steps to its right and lower neighbours
        return switch (value) {
            case 2 -> map(image, w, h, w - 1, -1, w, deadline);
            case 3 -> map(image, w, h, last, -1, -w, deadline);
            case 4 -> map(image, w, h, last - w + 1, 1, -w, deadline);
            case 5 -> map(image, h, w, 0, w, 1, deadline);
            case 6 -> map(image, h, w, last - w + 1, -w, 1, deadline);
            case 7 -> map(image, h, w, last, -w, -1, deadline);
            case 8 -> map(image, h, w, w - 1, w, -1, deadline);
            default -> image;
        };
    }

    private static RgbImage map(
            RgbImage image, int width, int height, int origin, int right, int down, Deadline deadline)
            throws IOException {
        byte[] from = image.data();
        byte[] to = new byte[from.length];
        int at = 0;
        for (int y = 0; y < height; y++) {
            deadline.check();
            int pixel = origin + y * down;
            for (int x = 0; x < width; x++, pixel += right, at += 3) {
                to[at] = from[3 * pixel];
                to[at + 1] = from[3 * pixel + 1];
                to[at + 2] = from[3 * pixel + 2];
            }
        }
        return new RgbImage(width, height, to);
    }

    /** Shows bytes as characters without copying them. */
    private record Characters(ByteBuffer bytes, int from, int length) implements CharSequence {

        @Override
        public char charAt(int index) {
            return (char) (bytes.get(from + index) & 0xff);
        }

        @Override
        public CharSequence subSequence(int start, int end) {
            return new Characters(bytes, from + start, end - start);
        }

        @Override
        public String toString() {
            StringBuilder text = new StringBuilder(length);
            chars().forEach(c -> text.append((char) c));
            return text.toString();
        }
    }
}
