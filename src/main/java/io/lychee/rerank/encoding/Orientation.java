package io.lychee.rerank.encoding;

import com.drew.lang.ByteArrayReader;
import com.drew.metadata.Metadata;
import com.drew.metadata.exif.ExifIFD0Directory;
import com.drew.metadata.exif.ExifReader;
import java.io.IOException;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * How a camera was held, as EXIF numbers it.
 *
 * @param value 1 (upright) to 8
 */
record Orientation(int value) {

    private static final Orientation UPRIGHT = new Orientation(1);

    /** Upright where the file says nothing or nonsense. */
    static Orientation of(ImageFormat format, byte[] data) throws IOException {
        byte[] exif = switch (format) {
            case JPEG -> tail(data, JpegHeader.of(data).exif(), data.length);
            case WEBP -> {
                WebpContainer container = WebpContainer.of(data);
                yield tail(data, container.exif(), container.exifEnd());
            }
            case PNG -> ofPng(data);
            case GIF, BMP -> null;
        };
        if (exif == null) {
            return UPRIGHT;
        }
        int header = ImageFormat.starts(exif, 0, "Exif\0\0") ? 6 : 0;
        try {
            Metadata metadata = new Metadata();
            new ExifReader().extract(new ByteArrayReader(exif, header), metadata, 0);
            var directory = metadata.getFirstDirectoryOfType(ExifIFD0Directory.class);
            Integer value = directory == null ? null : directory.getInteger(ExifIFD0Directory.TAG_ORIENTATION);
            return value == null || value < 1 || value > 8 ? UPRIGHT : new Orientation(value);
        } catch (RuntimeException e) {
            return UPRIGHT;
        }
    }

    private static byte @Nullable [] ofPng(byte[] data) {
        long at = 8;
        while (at + 12 <= data.length) {
            int start = (int) at + 8;
            long length = (data[start - 8] & 0xffL) << 24
                    | (data[start - 7] & 0xff) << 16
                    | (data[start - 6] & 0xff) << 8
                    | (data[start - 5] & 0xff);
            if (ImageFormat.starts(data, start - 4, "eXIf")) {
                return tail(data, start, (int) Math.min(data.length, start + length));
            }
            at = start + length + 4;
        }
        return null;
    }

    private static byte @Nullable [] tail(byte[] data, int from, int to) {
        return from < 0 || from >= to ? null : Arrays.copyOfRange(data, from, to);
    }

    /** The picture upright. */
    RgbImage apply(RgbImage image) {
        int w = image.width();
        int h = image.height();
        int last = w * h - 1;
        // where output pixel (0, 0) comes from, and the steps to its right and lower neighbours
        return switch (value) {
            case 2 -> map(image, w, h, w - 1, -1, w);
            case 3 -> map(image, w, h, last, -1, -w);
            case 4 -> map(image, w, h, last - w + 1, 1, -w);
            case 5 -> map(image, h, w, 0, w, 1);
            case 6 -> map(image, h, w, last - w + 1, -w, 1);
            case 7 -> map(image, h, w, last, -w, -1);
            case 8 -> map(image, h, w, w - 1, w, -1);
            default -> image;
        };
    }

    private static RgbImage map(RgbImage image, int width, int height, int origin, int right, int down) {
        byte[] from = image.data();
        byte[] to = new byte[from.length];
        int at = 0;
        for (int y = 0; y < height; y++) {
            int pixel = origin + y * down;
            for (int x = 0; x < width; x++, pixel += right, at += 3) {
                to[at] = from[3 * pixel];
                to[at + 1] = from[3 * pixel + 1];
                to[at + 2] = from[3 * pixel + 2];
            }
        }
        return new RgbImage(width, height, to);
    }
}
