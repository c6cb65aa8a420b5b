package io.lychee.rerank.encoding;

import java.io.IOException;
import javax.imageio.stream.ImageInputStreamImpl;

/**
 * Bytes in memory as ImageIO reads them: no copy, no file. Remembers whether a reader wanted more than there is, since
 * some fill in grey instead of failing, and stops a reader that takes too long. One thread.
 */
final class ByteArrayImageInput extends ImageInputStreamImpl {

    private final byte[] data;
    private final long nanos;
    private long deadline;
    private boolean pastEnd;

    /** @param nanos how long reading may take in all */
    ByteArrayImageInput(byte[] data, long nanos) {
        this.data = data;
        this.nanos = nanos;
        start();
    }

    /** Time counts from now on. */
    void start() {
        deadline = System.nanoTime() + nanos;
    }

    /** Whether a reader came to the end and wanted more. */
    boolean pastEnd() {
        return pastEnd;
    }

    @Override
    public int read() throws IOException {
        checkClosed();
        bitOffset = 0;
        if (streamPos >= data.length) {
            pastEnd = true;
            return -1;
        }
        return data[(int) streamPos++] & 0xff;
    }

    @Override
    public int read(byte[] bytes, int offset, int length) throws IOException {
        checkClosed();
        bitOffset = 0;
        if (System.nanoTime() - deadline > 0) {
            throw new IOException("it takes longer than image.decode-timeout");
        }
        if (length == 0) {
            return 0;
        }
        if (streamPos >= data.length) {
            pastEnd = true;
            return -1;
        }
        int count = (int) Math.min(length, data.length - streamPos);
        System.arraycopy(data, (int) streamPos, bytes, offset, count);
        streamPos += count;
        return count;
    }

    @Override
    public long length() {
        return data.length;
    }
}
