package io.lychee.rerank.image;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import org.jspecify.annotations.Nullable;

/**
 * Parses a JPEG's segments up to its first scan: the color space as libjpeg decides it, the orientation as Pillow does.
 * A later segment wins, but EXIF is joined. Application segments and comments are left out of what is decoded, since
 * the JDK would parse them and fail.
 */
final class JpegHeader {

    private static final String EXIF = "Exif\0\0";
    private static final String XMP = "http://ns.adobe.com/xap/1.0/\0";

    private final ByteBuffer file;
    private final ByteBuffer pixels;
    private final ByteArrayOutputStream exif = new ByteArrayOutputStream();
    private ByteBuffer xmp = Bytes.NONE;
    private boolean jfif;
    private int adobe = -1;
    private @Nullable ByteBuffer frame;

    private JpegHeader(byte[] data) {
        this.file = ByteBuffer.wrap(data);
        this.pixels = ByteBuffer.allocate(data.length);
    }

    /** @throws IOException when there is no whole frame header before the first scan */
    static ImageHeader of(byte[] data) throws IOException {
        JpegHeader header = new JpegHeader(data);
        header.readSegments();
        ByteBuffer frame = header.frame;
        if (frame == null) {
            throw new IOException("no frame header");
        }
        int components = frame.get(5) & 0xff;
        boolean luma = header.isLuma(components, frame);
        return new ImageHeader(
                header.pixels.flip(),
                null,
                Orientation.of(ByteBuffer.wrap(header.exif.toByteArray()), header.xmp),
                (reader, deadline) -> JpegColors.toRgb(reader.readRaster(0, null), components, luma, deadline));
    }

    private void readSegments() throws IOException {
        int kept = 0;
        int at = 2;
        int marker = 0;
        while (at + 4 <= file.limit() && marker != 0xda) {
            marker = file.get(at + 1) & 0xff;
            if (file.get(at) != -1 || marker == 0xff) {
                at++;
            } else if (marker == 0 || marker == 1 || (marker >= 0xd0 && marker <= 0xd8)) {
                at += 2;
            } else {
                int length = Math.max(2, Short.toUnsignedInt(file.getShort(at + 2)));
                int end = Math.min(file.limit(), at + 2 + length);
                read(marker, length, file.slice(at + 4, end - at - 4));
                if ((marker >= 0xe0 && marker <= 0xef) || marker == 0xfe) {
                    pixels.put(file.slice(kept, at - kept));
                    kept = end;
                }
                at = end;
            }
        }
        pixels.put(file.slice(kept, file.limit() - kept));
    }

    private void read(int marker, int length, ByteBuffer body) throws IOException {
        if (marker == 0xe0 && length >= 16 && Bytes.starts(body, 0, "JFIF\0")) {
            jfif = true;
        } else if (marker == 0xee && length >= 14 && Bytes.starts(body, 0, "Adobe")) {
            adobe = body.limit() > 11 ? body.get(11) & 0xff : -1;
        } else if (marker == 0xe1 && Bytes.starts(body, 0, EXIF)) {
            exif.write(body.array(), body.arrayOffset() + EXIF.length(), body.limit() - EXIF.length());
        } else if (marker == 0xe1 && Bytes.starts(body, 0, XMP)) {
            xmp = body.slice(XMP.length(), body.limit() - XMP.length());
        } else if (marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc) {
            if (body.limit() < 6) {
                throw new IOException("the frame header is cut short");
            }
            frame = body;
        }
    }

    /** Decides whether the first three components are Y, Cb and Cr. */
    private boolean isLuma(int components, ByteBuffer header) {
        if (components == 4) {
            return adobe > 0;
        }
        boolean rgb = header.limit() > 12 && header.get(6) == 'R' && header.get(9) == 'G' && header.get(12) == 'B';
        return components == 3 && (jfif || (adobe >= 0 ? adobe != 0 : !rgb));
    }
}
