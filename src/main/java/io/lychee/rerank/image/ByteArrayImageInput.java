package io.lychee.rerank.image;

import java.io.IOException;
import java.nio.ByteBuffer;
import javax.imageio.stream.ImageInputStreamImpl;

/**
 * Feeds bytes in memory to ImageIO, without a copy or a file, until the deadline. Remembers reads past the end, since
 * some readers fill in gray instead of failing. One thread.
 */
final class ByteArrayImageInput extends ImageInputStreamImpl {

    /** Bytes a reader gets at once: a few can cost seconds of work, and the deadline is checked between reads. */
    private static final int MAX_READ = 256;

    private final byte[] data;
    private final int start;
    private final int length;
    private final Deadline deadline;
    private boolean pastEnd;

    /** @param bytes backed by an array, from position to limit */
    ByteArrayImageInput(ByteBuffer bytes, Deadline deadline) {
        this.data = bytes.array();
        this.start = bytes.arrayOffset() + bytes.position();
        this.length = bytes.remaining();
        this.deadline = deadline;
    }

    boolean pastEnd() {
        return pastEnd;
    }

    @Override
    public int read() throws IOException {
        checkClosed();
        bitOffset = 0;
        if (streamPos >= length) {
            pastEnd = true;
            return -1;
        }
        return data[start + (int) streamPos++] & 0xff;
    }

    @Override
    public int read(byte[] bytes, int offset, int wanted) throws IOException {
        checkClosed();
        bitOffset = 0;
        deadline.check();
        if (wanted == 0) {
            return 0;
        }
        if (streamPos >= length) {
            pastEnd = true;
            return -1;
        }
        int count = (int) Math.min(Math.min(wanted, MAX_READ), length - streamPos);
        System.arraycopy(data, start + (int) streamPos, bytes, offset, count);
        streamPos += count;
        return count;
    }

    @Override
    public long length() {
        return length;
    }
}
