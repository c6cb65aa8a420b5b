package io.lychee.rerank.image;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/** Hides from the JDK's BMP reader what Pillow ignores or refuses: color profiles, and JPEG or PNG files inside. */
final class BmpHeader {

    private static final int COMPRESSION = 30;
    private static final int MAX_COMPRESSION = 3;
    private static final int COLOR_SPACE = 70;
    private static final int SRGB = 0x73524742;
    private static final int VERSION_4 = 108;

    private BmpHeader() {}

    /** @throws IOException for a compression that would decode another file, of any size, inside */
    static ImageHeader of(byte[] data) throws IOException {
        ByteBuffer file = ByteBuffer.wrap(data).order(ByteOrder.LITTLE_ENDIAN);
        int version = data.length < COMPRESSION + 4 ? 0 : file.getInt(14);
        int compression = version < 40 ? 0 : file.getInt(COMPRESSION);
        if (compression < 0 || compression > MAX_COMPRESSION) {
            throw new IOException("compression %d; expected 0 to %d".formatted(compression, MAX_COMPRESSION));
        }
        if (version >= VERSION_4 && data.length >= COLOR_SPACE + 4) {
            file = ByteBuffer.wrap(data.clone()).order(ByteOrder.LITTLE_ENDIAN).putInt(COLOR_SPACE, SRGB);
        }
        return new ImageHeader(file, null, Orientation.UPRIGHT);
    }
}
