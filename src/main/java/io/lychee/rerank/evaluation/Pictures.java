package io.lychee.rerank.evaluation;

import io.lychee.rerank.domain.Image;
import java.awt.Color;
import java.awt.Graphics2D;
import java.awt.RenderingHints;
import java.awt.image.BufferedImage;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Base64;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.Map;
import javax.imageio.ImageIO;
import javax.imageio.ImageReadParam;
import javax.imageio.ImageReader;
import javax.imageio.stream.ImageInputStream;
import org.jspecify.annotations.Nullable;

/**
 * Pictures of a report, as small JPEG files in its style sheet, each once. Reads from one folder only and fetches
 * nothing; what can't be shown is left out. For one thread.
 */
final class Pictures {

    private static final int EDGE = 96;
    private static final int MAX_BYTES = 16 << 20;
    private static final long MAX_PIXELS = 64_000_000;

    private final @Nullable Path folder;
    private final Map<Image, String> names = new LinkedHashMap<>();
    private final StringBuilder css = new StringBuilder();

    /** @param folder where {@code file:} references lead; null where they lead nowhere */
    Pictures(@Nullable Path folder) {
        this.folder = folder;
    }

    /** An element that shows it; empty where it can't be shown. */
    String show(Image image) {
        String name = names.computeIfAbsent(image, this::add);
        return name.isEmpty() ? "" : "<span class=\"picture " + name + "\"></span>";
    }

    /** A rule for each picture shown so far. */
    String css() {
        return css.toString();
    }

    private String add(Image image) {
        try {
            byte[] data = image instanceof Image.Bytes bytes ? bytes.data() : read((Image.Reference) image);
            byte[] small = data == null ? null : shrink(data);
            if (small == null) {
                return "";
            }
            String name = "p" + names.size();
            css.append('.')
                    .append(name)
                    .append("{background-image:url(data:image/jpeg;base64,")
                    .append(Base64.getEncoder().encodeToString(small))
                    .append(")}\n");
            return name;
        } catch (IOException | RuntimeException e) {
            // decoders of strange bytes throw nearly anything; the report does without the picture
            return "";
        }
    }

    private byte @Nullable [] read(Image.Reference reference) throws IOException {
        if (folder == null || !reference.uri().startsWith("file:")) {
            return null;
        }
        Path root = folder.toRealPath();
        Path file = root.resolve(reference.uri().substring("file:".length())).toRealPath();
        if (!file.startsWith(root) || !Files.isRegularFile(file) || Files.size(file) > MAX_BYTES) {
            return null;
        }
        return Files.readAllBytes(file);
    }

    private static byte @Nullable [] shrink(byte[] data) throws IOException {
        try (ImageInputStream in = ImageIO.createImageInputStream(new ByteArrayInputStream(data))) {
            Iterator<ImageReader> readers = ImageIO.getImageReaders(in);
            if (!readers.hasNext()) {
                return null;
            }
            ImageReader reader = readers.next();
            try {
                reader.setInput(in, true, true);
                int width = reader.getWidth(0);
                int height = reader.getHeight(0);
                if ((long) width * height > MAX_PIXELS) {
                    return null;
                }
                ImageReadParam param = reader.getDefaultReadParam();
                int step = Math.max(1, Math.max(width, height) / (4 * EDGE));
                param.setSourceSubsampling(step, step, 0, 0);
                return jpeg(reader.read(0, param));
            } finally {
                reader.dispose();
            }
        }
    }

    private static byte[] jpeg(BufferedImage image) throws IOException {
        double scale = Math.min(1, (double) EDGE / Math.max(image.getWidth(), image.getHeight()));
        int width = Math.max(1, (int) Math.round(image.getWidth() * scale));
        int height = Math.max(1, (int) Math.round(image.getHeight() * scale));
        BufferedImage small = new BufferedImage(width, height, BufferedImage.TYPE_INT_RGB);
        Graphics2D graphics = small.createGraphics();
        graphics.setRenderingHint(RenderingHints.KEY_INTERPOLATION, RenderingHints.VALUE_INTERPOLATION_BICUBIC);
        graphics.drawImage(image, 0, 0, width, height, Color.WHITE, null);
        graphics.dispose();
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        ImageIO.write(small, "jpeg", out);
        return out.toByteArray();
    }
}
