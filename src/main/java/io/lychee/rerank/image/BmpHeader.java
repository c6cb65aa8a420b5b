package io.lychee.rerank.image;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/** Hides from the JDK's reader of BMP what Pillow ignores or refuses: profiles, and JPEG or PNG files inside. */
final class BmpHeader {

    private static final int COMPRESSION = 30;
    private static final int MAX_COMPRESSION = 3;
    private static final int COLOUR_SPACE = 70;
    private static final int SRGB = 0x73524742;
    private static final int VERSION_4 = 108;

    private BmpHeader() {}

    /** @throws IOException for a compression that would decode another file, of any size, inside */
    static ByteBuffer pixels(byte[] data) throws IOException {
        ByteBuffer file = ByteBuffer.wrap(data).order(ByteOrder.LITTLE_ENDIAN);
        if (data.length < COMPRESSION + 4 || file.getInt(14) < 40) {
            return file;
        }
        int compression = file.getInt(COMPRESSION);
        if (compression < 0 || compression > MAX_COMPRESSION) {
            throw new IOException("compression %d; expected 0 to %d".formatted(compression, MAX_COMPRESSION));
        }
        if (file.getInt(14) < VERSION_4 || data.length < COLOUR_SPACE + 4) {
            return file;
        }
        return ByteBuffer.wrap(data.clone()).order(ByteOrder.LITTLE_ENDIAN).putInt(COLOUR_SPACE, SRGB);
    }
}
