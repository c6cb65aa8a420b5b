package io.lychee.rerank.cli;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.DirectoryStream;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.BasicFileAttributes;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * Gives the process a temporary folder of its own and deletes it at exit, since libraries that unpack themselves don't.
 *
 * <p>The JDK's own temporary files, which name no folder, stay in the parent; their makers delete those at exit. A lock
 * inside says that its process lives; folders of processes that were killed go at the next start.
 */
final class TempFolder {

    private static final String KEY = "java.io.tmpdir";
    private static final String LOCK = ".lock";
    private static final String NAMES = "lychee-[0-9]*";

    /** Younger folders without a lock may be about to get one. */
    private static final long LOCKED_WITHIN_MS = 60_000;

    private static volatile @Nullable Path owned;

    private TempFolder() {}

    /** Does nothing where the folder can't be written: commands that need it say so. */
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
            // what DJL unpacks under a home that can't be written must not be unpacked at each start
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
     * Leaves the deletion to the virtual machine, which does it once every other hook is done, in reverse order. Each
     * path has a dot, so that none keeps the place it has by whoever named it before, behind its folder.
     */
    private static void deleteAtExit(Path folder, FileLock held) {
        if (held.isValid()) {
            tree(folder.resolve(".")).forEach(path -> path.toFile().deleteOnExit());
        }
    }

    /** Deletes what is there, for a process that halts and so runs no more of its hooks. */
    static void delete() {
        Path folder = owned;
        if (folder != null) {
            tree(folder)
                    .sorted(Comparator.reverseOrder())
                    .forEach(path -> path.toFile().delete());
        }
    }

    static void sweep(Path parent) throws IOException {
        try (DirectoryStream<Path> folders = Files.newDirectoryStream(parent, NAMES)) {
            for (Path folder : folders) {
                sweepOne(folder);
            }
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
                    for (Path path :
                            tree(folder).sorted(Comparator.reverseOrder()).toList()) {
                        Files.delete(path);
                    }
                }
            }
        } catch (IOException | OverlappingFileLockException e) {
            // another user's, or another process deletes it
        }
    }

    /** The folder, its lock, and then the rest, each folder before what is in it. */
    private static Stream<Path> tree(Path folder) {
        List<Path> all = new ArrayList<>();
        try {
            Files.walkFileTree(folder, new SimpleFileVisitor<>() {
                @Override
                public FileVisitResult preVisitDirectory(Path path, BasicFileAttributes attributes) {
                    all.add(path);
                    return FileVisitResult.CONTINUE;
                }

                @Override
                public FileVisitResult visitFile(Path path, BasicFileAttributes attributes) {
                    all.add(path);
                    return FileVisitResult.CONTINUE;
                }

                @Override
                public FileVisitResult visitFileFailed(Path path, IOException e) {
                    return FileVisitResult.CONTINUE; // somebody deletes at the same time
                }

                @Override
                public FileVisitResult postVisitDirectory(Path path, @Nullable IOException e) {
                    return FileVisitResult.CONTINUE;
                }
            });
        } catch (IOException e) {
            throw new UncheckedIOException(e); // nothing above throws
        }
        return all.stream().sorted();
    }
}
