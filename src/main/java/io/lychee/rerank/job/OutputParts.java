package io.lychee.rerank.job;

import java.io.BufferedReader;
import java.io.BufferedWriter;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.Comparator;
import java.util.List;
import java.util.stream.Stream;

/**
 * Output files in the making: each line of a part starts with its position in the input and a tab. Parts hold ascending
 * positions and don't overlap, so that sorting them by their first line restores the input's order.
 */
final class OutputParts {

    private OutputParts() {}

    /** One line of a part, without its newline. */
    static String line(long position, String json) {
        return position + "\t" + json;
    }

    /**
     * Joins the finished parts of a folder into one file, in order and without the positions.
     *
     * @param unfinished what becomes {@code output} in one step, when it is whole
     * @return how many lines were written
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
            // on a full disk, it is in the way
            Files.deleteIfExists(unfinished);
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
            StringBuilder digits = new StringBuilder();
            for (int c = reader.read(); c >= '0' && c <= '9'; c = reader.read()) {
                digits.append((char) c);
            }
            return Long.parseLong(digits.toString());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
