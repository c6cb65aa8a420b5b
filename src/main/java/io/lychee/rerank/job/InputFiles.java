package io.lychee.rerank.job;

import io.lychee.rerank.config.ConfigException;
import io.lychee.rerank.config.ConfigKeys;
import io.lychee.rerank.config.RerankConfig;
import io.lychee.rerank.records.RecordReader;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.FileSystems;
import java.nio.file.FileVisitOption;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.TreeSet;
import java.util.function.Predicate;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/** Finds the files that a backfill reads, by names of files, folders and globs. */
public final class InputFiles {

    private static final Pattern GLOB = Pattern.compile("[*?\\[{]");
    private static final Pattern LISTS = Pattern.compile("[^._].*\\.(jsonl|ndjson|avro)(\\.gz)?");

    private InputFiles() {}

    /**
     * Finds every file once, sorted by its path. A folder yields the files below it whose names end with
     * {@code .jsonl}, {@code .ndjson} or {@code .avro}, also with {@code .gz}; a glob yields all that it matches.
     *
     * @param outputs files and folders; neither they nor files below them are read, by whatever path
     * @throws ConfigException when a name yields nothing or an output, a file can't be read, or there are too many
     */
    public static List<Path> of(Collection<String> names, Collection<Path> outputs, RerankConfig config) {
        int max = config.inputs().maxFiles();
        TreeSet<Path> files = new TreeSet<>();
        List<Path> existing = outputs.stream().filter(Files::exists).toList();
        for (String name : names) {
            List<Path> found = find(name, existing, max);
            if (found.isEmpty()) {
                throw new ConfigException("no file " + absolute(name) + " that can be read (--input)");
            }
            files.addAll(found);
            if (files.size() > max) {
                throw new ConfigException("more than " + max + " files (" + ConfigKeys.MAX_FILES + ")");
            }
        }
        return new ArrayList<>(files);
    }

    /** Returns the folder of a name: itself, or the parent of a file or glob. */
    public static Path folder(String name) {
        Path path = absolute(name);
        Path folder = Files.isDirectory(path) ? path : path.getParent();
        while (folder != null && GLOB.matcher(folder.toString()).find() && !Files.exists(folder)) {
            folder = folder.getParent();
        }
        return folder == null ? path : folder;
    }

    private static boolean isOutput(Path file, List<Path> outputs) {
        return outputs.stream().anyMatch(output -> OutputFiles.covers(output, file));
    }

    private static List<Path> find(String name, List<Path> outputs, int max) {
        boolean glob = GLOB.matcher(name).find() && !Files.exists(Path.of(name));
        Path path = absolute(name);
        if (!glob && !Files.isDirectory(path)) {
            if (isOutput(path, outputs)) {
                throw new ConfigException(
                        path + " is an input, and would be replaced or deleted: name another --output");
            }
            return Files.isRegularFile(path) && Files.isReadable(path) ? List.of(path) : List.of();
        }
        Path folder = folder(name);
        int depth = Integer.MAX_VALUE;
        Predicate<Path> wanted =
                file -> LISTS.matcher(file.getFileName().toString()).matches();
        if (glob) {
            depth = name.contains("**") ? depth : path.getNameCount() - folder.getNameCount();
            wanted = FileSystems.getDefault().getPathMatcher("glob:" + path)::matches;
        }
        try (Stream<Path> below = Files.walk(folder, depth, FileVisitOption.FOLLOW_LINKS)) {
            // one more than may be, to see that there are too many
            return below.filter(Files::isRegularFile)
                    .filter(wanted)
                    .filter(file -> !isOutput(file, outputs))
                    .limit(max + 1L)
                    .toList();
        } catch (IOException | UncheckedIOException e) {
            throw new ConfigException(name + " can't be searched: " + e.getMessage() + " (--input)", e);
        }
    }

    /** Returns an absolute path, normalized. */
    public static Path absolute(String name) {
        return Path.of(name).toAbsolutePath().normalize();
    }

    /**
     * Counts the records of the files. Reads them all, so that a file that is damaged or beyond a limit is an error
     * before anything is scored.
     *
     * @throws ConfigException that names the file and the last record that can be read
     */
    public static long count(List<Path> files, RerankConfig config) {
        long total = 0;
        for (Path file : files) {
            long records = 0;
            try (RecordReader reader = RecordReader.open(file, config)) {
                while (reader.read() != null) {
                    records++;
                }
            } catch (IOException e) {
                throw new ConfigException(file + " can't be read behind list " + records + ": " + e, e);
            }
            total += records;
        }
        return total;
    }
}
