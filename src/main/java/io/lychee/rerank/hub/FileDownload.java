package io.lychee.rerank.hub;

import java.io.IOException;
import java.io.InputStream;
import java.net.URI;
import java.nio.ByteBuffer;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicReference;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.IntStream;
import org.apache.hc.core5.http.ClassicHttpResponse;
import org.apache.hc.core5.http.Header;
import org.apache.hc.core5.http.HttpStatus;

/** Receives the ranges of one file, each on a thread; the first failure ends them all. */
final class FileDownload {

    private static final int BUFFER = 256 * 1024;
    private static final Pattern CONTENT_RANGE = Pattern.compile("bytes (\\d+)-(\\d+)/(\\d+|\\*)");
    private static final String NONE = "";

    private final HubClient client;
    private final RemoteFile file;
    private final URI address;
    private final PartFile part;
    private final boolean conditional;
    /** Strong validator of the first answer. */
    private volatile String etag = NONE;

    private final AtomicReference<Throwable> failure = new AtomicReference<>();

    /** Reports that the file on the server is another one than at the first request, or has no ranges. */
    static final class StartOverException extends IOException {
        StartOverException(String message) {
            super(message);
        }
    }

    /** @param conditional whether to ask for ranges only of the file that the first answer was of */
    FileDownload(HubClient client, RemoteFile file, URI address, PartFile part, boolean conditional) {
        this.client = client;
        this.file = file;
        this.address = address;
        this.part = part;
        this.conditional = conditional;
    }

    List<Integer> unfinished() {
        return IntStream.range(0, part.ranges()).filter(this::isOpen).boxed().toList();
    }

    private boolean isOpen(int range) {
        return part.received(range) < part.length(range);
    }

    /** @throws IOException the first failure of a range */
    void requireComplete() throws IOException {
        Throwable failed = failure.get();
        if (failed instanceof IOException e) {
            throw e;
        } else if (failed instanceof RuntimeException e) {
            throw e;
        } else if (failed != null) {
            throw new IllegalStateException(failed);
        }
    }

    /** Receives one range, in as many tries as make progress. */
    void fetch(int range) {
        try {
            int failures = 0;
            while (isOpen(range) && failure.get() == null) {
                long before = part.received(range);
                try {
                    request(range);
                } catch (StartOverException e) {
                    throw e;
                } catch (IOException e) {
                    if (failure.get() == null) {
                        failures = part.received(range) > before ? 1 : failures + 1;
                        client.retries().pauseAfter(failures, e);
                    }
                }
            }
        } catch (IOException | RuntimeException | Error e) {
            failure.compareAndSet(null, e);
        }
    }

    private void request(int range) throws IOException {
        long from = part.start(range) + part.received(range);
        long to = part.start(range) + part.length(range) - 1;
        Map<String, String> headers = new LinkedHashMap<>();
        headers.put("Range", "bytes=" + from + "-" + to);
        String first = etag;
        if (conditional && !first.equals(NONE)) {
            headers.put("If-Range", first);
        }
        client.get(address, headers, response -> {
            if (response.getCode() == HttpStatus.SC_PARTIAL_CONTENT) {
                requireRange(response, from, to);
                requireSame(response);
            } else if (part.ranges() > 1) {
                throw new StartOverException(file.name() + " changed on the hub, or its server sends no ranges");
            } else {
                requireLength(response);
                etag = validator(response);
                part.restart(range);
            }
            receive(response.getEntity().getContent(), range);
            return range;
        });
    }

    private void receive(InputStream in, int range) throws IOException {
        byte[] buffer = new byte[BUFFER];
        while (isOpen(range)) {
            int read = in.read(buffer, 0, (int) Math.min(buffer.length, part.length(range) - part.received(range)));
            if (read < 0 || failure.get() != null) {
                throw new IOException("the answer for %s ended early".formatted(file.name()));
            }
            part.append(range, ByteBuffer.wrap(buffer, 0, read));
        }
        if (in.read() >= 0) { // the end gives the connection back
            throw new IOException("the answer for %s is longer than asked for".formatted(file.name()));
        }
    }

    private void requireRange(ClassicHttpResponse response, long from, long to) throws StartOverException {
        Header header = response.getFirstHeader("Content-Range");
        String found = header == null ? "" : header.getValue();
        Matcher range = CONTENT_RANGE.matcher(found);
        if (!range.matches()
                || !range.group(1).equals(Long.toString(from))
                || !range.group(2).equals(Long.toString(to))
                || !(range.group(3).equals("*") || range.group(3).equals(Long.toString(file.size())))) {
            throw new StartOverException("the answer for %s has Content-Range \"%s\"; expected bytes %d-%d/%d"
                    .formatted(file.name(), found, from, to, file.size()));
        }
    }

    private synchronized void requireSame(ClassicHttpResponse response) throws StartOverException {
        String found = validator(response);
        etag = etag.equals(NONE) ? found : etag;
        if (conditional && !found.equals(NONE) && !found.equals(etag)) {
            throw new StartOverException(file.name() + " changed on the hub");
        }
    }

    /** Returns the answer's ETag; a weak one says nothing about bytes. */
    private static String validator(ClassicHttpResponse response) {
        Header header = response.getFirstHeader("ETag");
        return header == null || !header.getValue().startsWith("\"") ? NONE : header.getValue();
    }

    private void requireLength(ClassicHttpResponse response) throws StartOverException {
        long length = response.getEntity().getContentLength();
        if (length >= 0 && length != file.size()) {
            throw new StartOverException("%s has %d bytes; expected %d".formatted(file.name(), length, file.size()));
        }
    }
}
