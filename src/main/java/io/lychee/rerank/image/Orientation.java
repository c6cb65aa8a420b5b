package io.lychee.rerank.image;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Reads the orientation from EXIF and XMP, and turns images upright by it, as Pillow does. */
final class Orientation {

    static final int UPRIGHT = 1;

    private static final Pattern XMP = Pattern.compile("tiff:Orientation(?:=\"|>)([0-9])");
    private static final int TAG = 0x0112;
    private static final int ENTRY = 12;
    private static final int INLINE = 4;
    /** Bytes of one value by its type's number; 0 for a type that is skipped. */
    private static final int[] SIZES = {0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4, 0, 0, 8};

    private Orientation() {}

    /**
     * Reads EXIF's first directory, and XMP where that has no orientation.
     *
     * @return EXIF's number, 1 (upright) to 8; any other counts as upright
     */
    static int of(ByteBuffer exif, ByteBuffer xmp) {
        int value = fromExif(exif);
        if (value > 0) {
            return value;
        }
        Matcher found = XMP.matcher(Bytes.text(xmp));
        return found.find() ? Integer.parseInt(found.group(1)) : UPRIGHT;
    }

    /** @return 1 to 8, 1 where the tag holds anything else; 0 without the tag */
    private static int fromExif(ByteBuffer block) {
        ByteBuffer tiff = block.slice();
        while (Bytes.starts(tiff, 0, "Exif\0\0")) {
            tiff = tiff.slice(6, tiff.limit() - 6);
        }
        boolean little = Bytes.starts(tiff, 0, "II*\0") || Bytes.starts(tiff, 0, "II\0*");
        boolean big =
                Bytes.starts(tiff, 0, "MM\0*") || Bytes.starts(tiff, 0, "MM*\0") || Bytes.starts(tiff, 0, "MM\0+");
        if (tiff.limit() < 8 || !(little || big)) {
            return 0;
        }
        tiff.order(little ? ByteOrder.LITTLE_ENDIAN : ByteOrder.BIG_ENDIAN);
        return fromDirectory(tiff, Integer.toUnsignedLong(tiff.getInt(4)));
    }

    /** Reads the entries once; a broken one ends the directory, as in Pillow. The last orientation counts. */
    private static int fromDirectory(ByteBuffer tiff, long start) {
        int found = 0;
        int entries = start + 2 > tiff.limit() ? 0 : Short.toUnsignedInt(tiff.getShort((int) start));
        for (long entry = start + 2; entries > 0 && entry + ENTRY <= tiff.limit(); entry += ENTRY, entries--) {
            int at = (int) entry;
            int type = Short.toUnsignedInt(tiff.getShort(at + 2));
            long size = type < SIZES.length ? SIZES[type] * Integer.toUnsignedLong(tiff.getInt(at + 4)) : 0;
            long value = size > INLINE ? Integer.toUnsignedLong(tiff.getInt(at + 8)) : at + 8;
            if (value + size > tiff.limit()) {
                break;
            }
            if (size > 0 && Short.toUnsignedInt(tiff.getShort(at)) == TAG) {
                double number = number(tiff, type, (int) value);
                found = number >= 1 && number <= 8 && number == (int) number ? (int) number : UPRIGHT;
            }
        }
        return found;
    }

    private static double number(ByteBuffer tiff, int type, int at) {
        return switch (type) {
            case 3 -> Short.toUnsignedInt(tiff.getShort(at));
            case 4, 13 -> Integer.toUnsignedLong(tiff.getInt(at));
            case 5 -> (double) Integer.toUnsignedLong(tiff.getInt(at)) / Integer.toUnsignedLong(tiff.getInt(at + 4));
            case 6 -> tiff.get(at);
            case 8 -> tiff.getShort(at);
            case 9 -> tiff.getInt(at);
            case 10 -> (double) tiff.getInt(at) / tiff.getInt(at + 4);
            case 11 -> tiff.getFloat(at);
            case 12 -> tiff.getDouble(at);
            case 16 -> tiff.getLong(at);
            default -> Double.NaN; // bytes and text are no number
        };
    }

    /** Turns the image upright, into a copy unless it is already. */
    static RgbImage upright(RgbImage image, int orientation, Deadline deadline) throws IOException {
        int w = image.width();
        int h = image.height();
        int last = w * h - 1;
        // where output pixel (0, 0) comes from, and the steps to its right and lower neighbours
        return switch (orientation) {
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
        return RgbImage.ofRows(width, height, deadline, (y, rgb, at) -> {
            int pixel = 3 * (origin + y * down);
            for (int to = at; to < at + 3 * width; to += 3, pixel += 3 * right) {
                rgb[to] = from[pixel];
                rgb[to + 1] = from[pixel + 1];
                rgb[to + 2] = from[pixel + 2];
            }
        });
    }
}
