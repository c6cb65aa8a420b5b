package io.lychee.rerank.records;

import io.lychee.rerank.kafka.SourceRecord;
import io.lychee.rerank.wire.WireSchema;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.io.PushbackInputStream;
import java.nio.ByteBuffer;
import java.util.Arrays;
import org.apache.avro.AvroRuntimeException;
import org.apache.avro.Schema;
import org.apache.avro.file.DataFileConstants;
import org.apache.avro.file.DataFileReader;
import org.apache.avro.file.DataFileStream;
import org.apache.avro.file.SeekableByteArrayInput;
import org.apache.avro.generic.GenericDatumReader;
import org.apache.avro.io.BinaryDecoder;
import org.apache.avro.io.BinaryEncoder;
import org.apache.avro.io.DecoderFactory;
import org.apache.avro.io.EncoderFactory;
import org.jspecify.annotations.Nullable;

/**
 * Reads lists of an Avro object container file, each as the record it would be in a topic. Avro allocates what a
 * block's header says. So this class reads the blocks, one at a time and within a limit, and Avro inflates each as a
 * file of its own, to 200 MB or a quarter of the heap at most. For one thread.
 */
final class ContainerReader implements RecordReader {

    private static final int MAX_HEADER_BYTES = 1 << 20;

    private final String name;
    private final PushbackInputStream stream;
    private final BinaryDecoder decoder;
    private final int maxBlockBytes;
    private final int maxRecordBytes;
    private final DataFileStream.Header header;
    private final Schema writer;
    private final byte[] marker;

    private byte[] block = {};
    private int at;
    private long left;
    private long next;

    /**
     * @param name the source of the records
     * @param maxRecordBytes bytes kept of a larger record, for its dead letter
     * @throws IOException when it is no container, or one of another schema
     */
    ContainerReader(String name, InputStream in, int maxBlockBytes, int maxRecordBytes) throws IOException {
        this.name = name;
        this.maxBlockBytes = maxBlockBytes;
        this.maxRecordBytes = maxRecordBytes;
        byte[] first = in.readNBytes(MAX_HEADER_BYTES);
        int headerBytes;
        // from an array, Avro holds lengths against what is left
        try (var check = new DataFileStream<>(new ByteArrayInputStream(first), new GenericDatumReader<>());
                var reader = new DataFileReader<>(new SeekableByteArrayInput(first), new GenericDatumReader<>())) {
            this.header = check.getHeader();
            this.writer = WireSchema.CANDIDATE_LIST.writer(check.getSchema());
            headerBytes = (int) reader.previousSync();
        } catch (AvroRuntimeException e) {
            throw new IOException("the header can't be read: " + e.getMessage(), e);
        }
        this.marker = WireSchema.marker(writer);
        this.stream = new PushbackInputStream(in, MAX_HEADER_BYTES);
        this.stream.unread(first, headerBytes, first.length - headerBytes);
        this.decoder = DecoderFactory.get().directBinaryDecoder(stream, null);
    }

    @Override
    public @Nullable SourceRecord read() throws IOException {
        while (left == 0 && at == block.length) {
            int b = stream.read();
            if (b < 0) {
                return null;
            }
            stream.unread(b);
            nextBlock();
        }
        int end = endOfList();
        int length = end - at;
        byte[] value = Arrays.copyOf(marker, marker.length + Math.min(length, maxRecordBytes));
        System.arraycopy(block, at, value, marker.length, value.length - marker.length);
        at = end;
        SourceRecord record = SourceRecord.line(name, next++, value, System.currentTimeMillis());
        record.size = (long) marker.length + length;
        record.valueSize = record.size;
        return record;
    }

    /** Finds the end of a list. Behind a broken one no list can be found: the rest becomes one unreadable record. */
    private int endOfList() {
        BinaryDecoder list = DecoderFactory.get().binaryDecoder(block, at, block.length - at, null);
        try {
            if (left > 0) {
                GenericDatumReader.skip(writer, list);
                left--;
                return block.length - list.remainingBytes();
            }
        } catch (IOException | RuntimeException e) {
            left = 0;
        }
        return block.length;
    }

    private void nextBlock() throws IOException {
        try {
            long lists = decoder.readLong();
            long bytes = decoder.readLong();
            if (lists < 0 || bytes < 0) {
                throw new IOException("a block of " + lists + " lists in " + bytes + " bytes");
            }
            requireSmall(bytes);
            ByteArrayOutputStream sizes = new ByteArrayOutputStream();
            BinaryEncoder encoder = EncoderFactory.get().directBinaryEncoder(sizes, null);
            encoder.writeLong(Math.max(1, lists)); // of no lists Avro would make nothing, not even a check
            encoder.writeLong(bytes);
            byte[] packed =
                    Arrays.copyOf(sizes.toByteArray(), sizes.size() + (int) bytes + DataFileConstants.SYNC_SIZE);
            decoder.readFixed(packed, sizes.size(), packed.length - sizes.size());
            block = inflate(packed);
            at = 0;
            left = lists;
        } catch (EOFException e) {
            throw new IOException("ends within a block", e);
        } catch (AvroRuntimeException e) {
            throw new IOException(String.valueOf(e.getMessage()), e);
        }
    }

    private byte[] inflate(byte[] packed) throws IOException {
        try (var container = DataFileReader.openReader(
                new SeekableByteArrayInput(packed), new GenericDatumReader<>(), header, false)) {
            ByteBuffer inflated = container.nextBlock();
            requireSmall(inflated.remaining());
            byte[] bytes = new byte[inflated.remaining()];
            inflated.get(bytes);
            return bytes;
        } catch (LinkageError e) {
            throw new IOException(
                    "packed by a codec that is not available; expected null, deflate, snappy or zstandard", e);
        }
    }

    private void requireSmall(long bytes) throws IOException {
        if (bytes > maxBlockBytes) {
            throw new IOException(
                    "a block of " + bytes + " bytes; at most " + maxBlockBytes + " are taken (files.max-block-bytes)");
        }
    }

    @Override
    public void close() throws IOException {
        stream.close();
    }
}
