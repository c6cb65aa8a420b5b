package io.lychee.rerank.image;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * Reads the orientation from an EXIF block's first directory, once through its entries; broken ones end it, as in
 * Pillow.
 */
final class Exif {

    private static final int ORIENTATION = 0x0112;
    private static final int ENTRY = 12;
    private static final int INLINE = 4;
    /** Bytes of one value by its type's number, 0 for a type that is passed over. */
    private static final int[] SIZES = {0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4, 0, 0, 8};

    private Exif() {}

    /** @return 1 to 8, 1 where the tag holds anything else; 0 without the tag */
    static int orientation(ByteBuffer block) {
        ByteBuffer tiff = block.slice();
        while (starts(tiff, "Exif\0\0")) {
            tiff = tiff.slice(6, tiff.limit() - 6);
        }
        boolean little = starts(tiff, "II*\0") || starts(tiff, "II\0*");
        boolean big = starts(tiff, "MM\0*") || starts(tiff, "MM*\0") || starts(tiff, "MM\0+");
        if (tiff.limit() < 8 || !(little || big)) {
            return 0;
        }
        tiff.order(little ? ByteOrder.LITTLE_ENDIAN : ByteOrder.BIG_ENDIAN);
        return directory(tiff, Integer.toUnsignedLong(tiff.getInt(4)));
    }

    private static int directory(ByteBuffer tiff, long start) {
        int found = 0;
        if (start + 2 > tiff.limit()) {
            return found;
        }
        int entries = Short.toUnsignedInt(tiff.getShort((int) start));
        for (int i = 0; i < entries; i++) {
            long entry = start + 2 + (long) ENTRY * i;
            if (entry + ENTRY > tiff.limit()) {
                break;
            }
            int at = (int) entry;
            int type = Short.toUnsignedInt(tiff.getShort(at + 2));
            long size = type < SIZES.length ? SIZES[type] * Integer.toUnsignedLong(tiff.getInt(at + 4)) : 0;
            if (size == 0) {
                continue;
            }
            long value = size > INLINE ? Integer.toUnsignedLong(tiff.getInt(at + 8)) : at + 8;
            if (value + size > tiff.limit()) {
                break;
            }
            if (Short.toUnsignedInt(tiff.getShort(at)) == ORIENTATION) {
                found = orientation(number(tiff, type, (int) value));
            }
        }
        return found;
    }

    private static int orientation(double number) {
        int value = (int) number;
        return value == number && value >= 1 && value <= 8 ? value : 1;
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

    private static boolean starts(ByteBuffer bytes, String ascii) {
        for (int i = 0; i < ascii.length(); i++) {
            if (i >= bytes.limit() || bytes.get(i) != ascii.charAt(i)) {
                return false;
            }
        }
        return true;
    }
}
