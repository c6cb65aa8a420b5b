package io.lychee.rerank.cli;

import java.io.File;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Arrays;
import java.util.Comparator;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * Gives the process a temporary folder of its own and deletes it at exit, since libraries that unpack themselves don't.
 *
 * <p>The JDK's own temporary files, which name no folder, stay in the parent; their makers delete those at exit. A lock
 * inside marks a live process; the next start deletes the folders of processes that were killed.
 */
final class TempFolder {

    private static final String KEY = "java.io.tmpdir";
    private static final String LOCK = ".lock";
    private static final String NAMES = "lychee-[0-9]*";

    /** Younger folders without a lock may be about to get one. */
    private static final long LOCKED_WITHIN_MS = 60_000;

    private static volatile @Nullable Path owned;

    private TempFolder() {}

    /** Does nothing where the folder can't be written; commands that need it report that. */
    static void own() {
        Path parent = Path.of(System.getProperty(KEY));
        try {
            sweep(parent);
            Path own = Files.createDirectory(
                    parent.resolve("lychee-" + ProcessHandle.current().pid() + "-" + System.nanoTime()),
                    PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------")));
            own.toFile().deleteOnExit(); // first here, so last of all
            FileLock held = FileChannel.open(own.resolve(LOCK), StandardOpenOption.CREATE, StandardOpenOption.WRITE)
                    .lock(); // until the process ends
            Runtime.getRuntime().addShutdownHook(new Thread(() -> deleteAtExit(own, held), "temporary-folder"));
            // unpacked once, not at each start, when the home that DJL unpacks to can't be written
            if (System.getenv("DJL_CACHE_DIR") == null
                    && System.getProperty("DJL_CACHE_DIR") == null
                    && !Files.isWritable(Path.of(System.getProperty("user.home")))) {
                System.setProperty("DJL_CACHE_DIR", parent.resolve(".djl.ai").toString());
            }
            System.setProperty(KEY, own.toString());
            owned = own;
        } catch (IOException e) {
            // stays with the parent
        }
    }

    /**
     * Leaves the deletion to the virtual machine, which does it once every other hook is done, in reverse order. The
     * dot in each path makes it a new one: a path named by others before would keep its place, behind its folder.
     */
    private static void deleteAtExit(Path folder, FileLock held) {
        if (held.isValid()) {
            tree(folder.resolve(".")).sorted().forEach(path -> path.toFile().deleteOnExit());
        }
    }

    /** Deletes the process's folder now, for a process that halts and so skips the other hooks. */
    static void delete() {
        Path folder = owned;
        if (folder != null) {
            delete(folder);
        }
    }

    /** Deletes a folder, its lock last; returns false when something of it is left. */
    static boolean delete(Path folder) {
        tree(folder)
                .sorted(Comparator.reverseOrder())
                .forEach(path -> path.toFile().delete());
        return !Files.exists(folder);
    }

    static void sweep(Path parent) throws IOException {
        try (DirectoryStream<Path> folders = Files.newDirectoryStream(parent, NAMES)) {
            folders.forEach(TempFolder::sweepOne);
        }
    }

    private static void sweepOne(Path folder) {
        Path lock = folder.resolve(LOCK);
        try {
            long age = System.currentTimeMillis()
                    - Files.getLastModifiedTime(folder).toMillis();
            if (!Files.exists(lock) && age < LOCKED_WITHIN_MS) {
                return;
            }
            try (FileChannel file = FileChannel.open(lock, StandardOpenOption.CREATE, StandardOpenOption.WRITE);
                    FileLock free = file.tryLock()) {
                if (free != null) {
                    delete(folder);
                }
            }
        } catch (IOException | OverlappingFileLockException e) {
            // another user's, or another process deletes it
        }
    }

    /** Lists a folder and what is below it; skips what another process deletes at the same time. */
    private static Stream<Path> tree(Path path) {
        File[] children = Files.isSymbolicLink(path) ? null : path.toFile().listFiles();
        return Stream.concat(
                Stream.of(path),
                children == null
                        ? Stream.empty()
                        : Arrays.stream(children).map(File::toPath).flatMap(TempFolder::tree));
    }
}
