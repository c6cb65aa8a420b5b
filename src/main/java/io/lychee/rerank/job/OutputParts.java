package io.lychee.rerank.job;

import io.lychee.rerank.kafka.OutputRecord;
import java.io.BufferedReader;
import java.io.BufferedWriter;
import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.Comparator;
import java.util.List;
import java.util.stream.Stream;
import org.apache.flink.connector.file.sink.FileSink;
import org.apache.flink.core.io.SimpleVersionedSerializer;
import org.apache.flink.streaming.api.functions.sink.filesystem.BucketAssigner;
import org.apache.flink.streaming.api.functions.sink.filesystem.bucketassigners.SimpleVersionedStringSerializer;
import org.apache.flink.streaming.api.functions.sink.filesystem.rollingpolicies.OnCheckpointRollingPolicy;

/**
 * Writes outputs to parts, and joins these in the input's order. Each line of a part starts with its position in the
 * input and a tab. Parts hold ascending positions and don't overlap, so their first lines sort them.
 */
final class OutputParts {

    private OutputParts() {}

    /** Builds a sink that finishes a part with each checkpoint, of answers and of dead letters apart. */
    static FileSink<OutputRecord> sink(Path folder) {
        return FileSink.<OutputRecord>forRowFormat(
                        new org.apache.flink.core.fs.Path(folder.toUri()), OutputParts::writeLine)
                .withBucketAssigner(new ByKind())
                .withRollingPolicy(OnCheckpointRollingPolicy.build())
                .build();
    }

    private static void writeLine(OutputRecord record, OutputStream stream) throws IOException {
        stream.write((record.position + "\t").getBytes(StandardCharsets.UTF_8));
        stream.write(record.value);
        stream.write('\n');
    }

    /** Separates answers and dead letters. */
    private static final class ByKind implements BucketAssigner<OutputRecord, String> {

        private static final long serialVersionUID = 1;

        @Override
        public String getBucketId(OutputRecord record, Context context) {
            return record.deadLetter ? RunFolder.DEAD_LETTERS : RunFolder.RESULTS;
        }

        @Override
        public SimpleVersionedSerializer<String> getSerializer() {
            return SimpleVersionedStringSerializer.INSTANCE;
        }
    }

    /**
     * Joins the finished parts of a folder into one file, in order and without the positions.
     *
     * @param unfinished becomes {@code output} in one step, when it is whole
     * @return the number of lines
     */
    static long join(Path folder, Path unfinished, Path output) throws IOException {
        long lines = 0;
        try (BufferedWriter writer = Files.newBufferedWriter(unfinished)) {
            for (Path part : sorted(folder)) {
                try (BufferedReader reader = Files.newBufferedReader(part)) {
                    for (String line = reader.readLine(); line != null; line = reader.readLine()) {
                        writer.write(line, line.indexOf('\t') + 1, line.length() - line.indexOf('\t') - 1);
                        writer.write('\n');
                        lines++;
                    }
                }
            }
        } catch (IOException e) {
            Files.deleteIfExists(unfinished); // it would fill the disk
            throw e;
        }
        Files.move(unfinished, output, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
        return lines;
    }

    private static List<Path> sorted(Path folder) throws IOException {
        try (Stream<Path> files = Files.list(folder)) {
            return files.filter(f -> !f.getFileName().toString().startsWith("."))
                    .filter(f -> f.toFile().length() > 0)
                    .sorted(Comparator.comparingLong(OutputParts::firstPosition))
                    .toList();
        } catch (NoSuchFileException e) {
            return List.of();
        }
    }

    private static long firstPosition(Path part) {
        try (BufferedReader reader = Files.newBufferedReader(part)) {
            String line = reader.readLine();
            return Long.parseLong(line.substring(0, line.indexOf('\t')));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
