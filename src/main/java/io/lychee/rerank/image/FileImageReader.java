package io.lychee.rerank.image;

import io.lychee.rerank.config.RerankConfig;
import io.lychee.rerank.domain.Reason;
import io.lychee.rerank.domain.RejectedException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.NotDirectoryException;
import java.nio.file.Path;
import java.util.List;

/** Pictures from the folders that are allowed. Blocks; thread-safe. */
final class FileImageReader {

    private final List<Path> roots;
    private final int maxBytes;

    FileImageReader(RerankConfig.Limits limits) {
        this.roots = limits.imageRoots().stream()
                .map(root -> Path.of(root).toAbsolutePath().normalize())
                .toList();
        this.maxBytes = limits.maxImageBytes();
    }

    /**
     * @param name a plain path, not percent-decoded; a relative one is looked up in the first root
     * @throws RejectedException when it lies outside the roots, by name or through links, or can't be read
     */
    byte[] read(String name) throws RejectedException {
        if (roots.isEmpty()) {
            throw rejected(Reason.IMAGE_FORBIDDEN, name, "is a file; image.roots names no folder to read from");
        }
        try {
            Path path = roots.get(0).resolve(name).normalize();
            // by name first, so that an answer tells nothing about files elsewhere
            if (roots.stream().noneMatch(path::startsWith)) {
                throw outside(name);
            }
            Path real = path.toRealPath();
            if (!isUnderRealRoot(real)) {
                throw outside(name);
            }
            if (!Files.isRegularFile(real, LinkOption.NOFOLLOW_LINKS)) {
                throw rejected(Reason.IMAGE_NOT_FOUND, name, "is no file");
            }
            ImageDecoder.checkBytes(Files.size(real), maxBytes);
            try (InputStream in = Files.newInputStream(real, LinkOption.NOFOLLOW_LINKS)) {
                byte[] bytes = in.readNBytes(maxBytes + 1);
                ImageDecoder.checkBytes(bytes.length, maxBytes);
                return bytes;
            }
        } catch (NoSuchFileException | NotDirectoryException e) {
            throw rejected(Reason.IMAGE_NOT_FOUND, name, "does not exist");
        } catch (InvalidPathException e) {
            throw rejected(Reason.IMAGE_NOT_FOUND, name, "is no valid path: " + e.getReason());
        } catch (IOException e) {
            throw rejected(
                    Reason.IMAGE_NOT_FOUND,
                    name,
                    "can't be read: " + e.getClass().getSimpleName());
        }
    }

    private boolean isUnderRealRoot(Path real) throws IOException {
        for (Path root : roots) {
            if (Files.isDirectory(root) && real.startsWith(root.toRealPath())) {
                return true;
            }
        }
        return false;
    }

    private static RejectedException outside(String name) {
        return rejected(Reason.IMAGE_FORBIDDEN, name, "lies outside the folders of image.roots");
    }

    private static RejectedException rejected(Reason reason, String name, String what) {
        return new RejectedException(reason, "the image file:%s %s".formatted(ImageFetcher.shorten(name), what));
    }
}
