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

/** Reads images below the folders of {@code image.roots}, at most {@code image.max-bytes} each. Blocks. Thread-safe. */
public final class FileImageReader {

    private final List<Path> roots;
    private final int maxBytes;

    public FileImageReader(RerankConfig.Limits limits) {
        this.roots = limits.imageRoots().stream()
                .map(root -> Path.of(root).toAbsolutePath().normalize())
                .toList();
        this.maxBytes = limits.maxImageBytes();
    }

    /**
     * Reads a file that is under a root, by its name and by its real path.
     *
     * @param uri {@code file:} and a plain path, not percent-decoded; a relative one is resolved against the first root
     * @throws RejectedException for a file outside the roots, or one that can't be read
     */
    public byte[] read(String uri) throws RejectedException {
        if (roots.isEmpty()) {
            throw ImageFetcher.rejected(
                    Reason.IMAGE_FORBIDDEN, uri, "is a file; image.roots names no folder to read from");
        }
        try {
            Path path =
                    roots.get(0).resolve(uri.substring(uri.indexOf(':') + 1)).normalize();
            // the name comes first, so that an answer tells nothing about files elsewhere
            Path real = roots.stream().anyMatch(path::startsWith) ? path.toRealPath() : null;
            if (real == null || !isUnderRealRoot(real)) {
                throw ImageFetcher.rejected(Reason.IMAGE_FORBIDDEN, uri, "lies outside the folders of image.roots");
            }
            if (!Files.isRegularFile(real, LinkOption.NOFOLLOW_LINKS)) {
                throw ImageFetcher.rejected(Reason.IMAGE_NOT_FOUND, uri, "is no file");
            }
            ImageDecoder.checkBytes(Files.size(real), maxBytes);
            try (InputStream in = Files.newInputStream(real, LinkOption.NOFOLLOW_LINKS)) {
                byte[] bytes = in.readNBytes(maxBytes + 1);
                ImageDecoder.checkBytes(bytes.length, maxBytes);
                return bytes;
            }
        } catch (NoSuchFileException | NotDirectoryException e) {
            throw ImageFetcher.rejected(Reason.IMAGE_NOT_FOUND, uri, "does not exist");
        } catch (InvalidPathException e) {
            throw ImageFetcher.rejected(Reason.IMAGE_NOT_FOUND, uri, "is no valid path: " + e.getReason());
        } catch (IOException e) {
            throw ImageFetcher.rejected(
                    Reason.IMAGE_NOT_FOUND,
                    uri,
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
}
