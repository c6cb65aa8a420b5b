package io.lychee.rerank.kafka;

import io.lychee.rerank.config.RerankOptions;
import io.lychee.rerank.wire.AvroCheck;
import io.lychee.rerank.wire.ItemLimit;
import io.lychee.rerank.wire.UnreadableException;
import io.lychee.rerank.wire.WireSchema;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.io.PushbackInputStream;
import java.io.SequenceInputStream;
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
 * Lists of an Avro object container file, each as the record it would be in a topic. Avro allocates what a block's
 * header says; so blocks are taken out here, one at a time and within a limit, and Avro inflates each as a file of its
 * own (to 200 MB or a quarter of the heap at most). For one thread.
 */
final class ContainerReader implements RecordReader {

    private static final int MAX_HEADER_BYTES = 1 << 20;

    private final String name;
    private final PushbackInputStream stream;
    private final BinaryDecoder decoder;
    private final int maxBlockBytes;
    private final int maxRecordBytes;
    private final byte[] header;
    private final Schema writer;
    private final byte[] marker;

    private byte[] block = {};
    private int at;
    private long left;
    private long next;

    /**
     * @param name what records call their source
     * @param maxRecordBytes of a larger record only the beginning is kept, for its dead letter
     * @throws IOException when it is no container, or one of another schema
     */
    ContainerReader(String name, InputStream in, int maxBlockBytes, int maxRecordBytes) throws IOException {
        this.name = name;
        this.maxBlockBytes = maxBlockBytes;
        this.maxRecordBytes = maxRecordBytes;
        byte[] first = in.readNBytes(MAX_HEADER_BYTES);
        Schema named;
        // from an array, Avro holds lengths against what is left
        try (var check = new DataFileStream<>(new ByteArrayInputStream(first), new GenericDatumReader<>());
                var reader = new DataFileReader<>(new SeekableByteArrayInput(first), new GenericDatumReader<>())) {
            named = check.getSchema();
            this.header = Arrays.copyOf(first, (int) reader.previousSync());
        } catch (AvroRuntimeException e) {
            throw new IOException("the header can't be read: " + e.getMessage(), e);
        }
        this.writer = WireSchema.CANDIDATE_LIST.writer(named);
        this.marker = WireSchema.marker(writer);
        this.stream = new PushbackInputStream(in, MAX_HEADER_BYTES);
        this.stream.unread(first, header.length, first.length - header.length);
        this.decoder = DecoderFactory.get().directBinaryDecoder(stream, null);
    }

    @Override
    public @Nullable SourceRecord read() throws IOException {
        while (left == 0) {
            if (at < block.length) {
                throw new IOException((block.length - at) + " bytes are left over behind the lists of a block");
            }
            int b = stream.read();
            if (b < 0) {
                return null;
            }
            stream.unread(b);
            nextBlock();
        }
        int end;
        try {
            end = AvroCheck.end(writer, block, at, ItemLimit.NONE);
            left--;
        } catch (UnreadableException e) {
            // where the next list would begin is not known; what is left becomes one record, which can't be read either
            end = block.length;
            left = 0;
        }
        int length = end - at;
        byte[] value = Arrays.copyOf(marker, marker.length + Math.min(length, maxRecordBytes));
        System.arraycopy(block, at, value, marker.length, value.length - marker.length);
        at = end;
        SourceRecord record = SourceRecord.line(name, next++, value, System.currentTimeMillis());
        record.size = (long) marker.length + length;
        record.valueSize = record.size;
        return record;
    }

    private void nextBlock() throws IOException {
        try {
            long lists = decoder.readLong();
            long bytes = decoder.readLong();
            if (lists < 0 || bytes < 0) {
                throw new IOException("a block of " + lists + " lists in " + bytes + " bytes");
            }
            requireSmall(bytes);
            byte[] packed = new byte[(int) bytes + DataFileConstants.SYNC_SIZE];
            decoder.readFixed(packed);
            block = inflate(lists, packed);
            at = 0;
            left = lists;
        } catch (EOFException e) {
            throw new IOException("ends within a block", e);
        } catch (AvroRuntimeException e) {
            throw new IOException(String.valueOf(e.getMessage()), e);
        }
    }

    private byte[] inflate(long lists, byte[] packed) throws IOException {
        ByteArrayOutputStream sizes = new ByteArrayOutputStream();
        BinaryEncoder encoder = EncoderFactory.get().directBinaryEncoder(sizes, null);
        encoder.writeLong(Math.max(1, lists)); // of no lists Avro would make nothing, not even a check
        encoder.writeLong(packed.length - DataFileConstants.SYNC_SIZE);
        InputStream file = new SequenceInputStream(
                new SequenceInputStream(
                        new ByteArrayInputStream(header), new ByteArrayInputStream(sizes.toByteArray())),
                new ByteArrayInputStream(packed));
        try (var container = new DataFileStream<>(file, new GenericDatumReader<>())) {
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
            throw new IOException("a block of " + bytes + " bytes; at most " + maxBlockBytes + " are taken ("
                    + RerankOptions.MAX_BLOCK_BYTES.key() + ")");
        }
    }

    @Override
    public void close() throws IOException {
        stream.close();
    }
}
