package io.lychee.rerank.image;

import com.luciad.imageio.webp.WebPImageReaderSpi;
import io.lychee.rerank.config.ImageRules;
import io.lychee.rerank.domain.Reason;
import io.lychee.rerank.domain.RejectedException;
import java.io.IOException;
import java.time.Duration;
import java.util.Map;
import java.util.Objects;
import javax.imageio.ImageReader;
import javax.imageio.spi.IIORegistry;
import javax.imageio.spi.ImageReaderSpi;

/**
 * Decodes images to RGB as Pillow does. Color profiles are ignored and only the first frame of an animation is read;
 * {@code image.rules} decides on transparency and EXIF's orientation. Limits are checked on what the file declares,
 * before it is decoded. Thread-safe.
 *
 * <p>Memory: the images decoded at a time have at most {@code image.max-decoded-pixels}, canvas and padding to blocks
 * counted. A pixel costs at most {@value #BYTES_A_PIXEL} bytes: 4 as the reader makes it (8 with 16 bits), 8 of
 * coefficients in a progressive JPEG or of libwebp's own, 3 as RGB, 3 more while it is turned, put on its canvas or
 * resized a first time. An image also takes up to twice its file, 1 MB of inflated text in a PNG, and a few rows.
 */
final class ImageDecoder {

    /*
     * Readers are named one by one instead of looked up by format: the registry's plugin scan goes through the context
     * class loader, which in a Flink task is the job's, and the order of what it finds is not ours. JPEG stays with the
     * JDK's reader because its rasters are libjpeg's samples; a reader that applies profiles would not match Pillow.
     */
    private static final Map<ImageFormat, ImageReaderSpi> READERS = Map.of(
            ImageFormat.JPEG, ofJdk("jpeg.JPEGImageReaderSpi"),
            ImageFormat.PNG, ofJdk("png.PNGImageReaderSpi"),
            ImageFormat.GIF, ofJdk("gif.GIFImageReaderSpi"),
            ImageFormat.BMP, ofJdk("bmp.BMPImageReaderSpi"),
            ImageFormat.WEBP, new WebPImageReaderSpi());

    static final int BYTES_A_PIXEL = 18;

    /** Side of the blocks that decoders work in, in pixels. */
    private static final int BLOCK = 32;

    private final int maxBytes;
    private final int maxPixels;
    private final Duration time;
    private final ImageRules rules;
    private final DecodingRoom room;

    /**
     * @param maxBytes of a file
     * @param maxPixels that a file may declare, and that all images being decoded may have together
     * @param time that decoding one image may take
     */
    ImageDecoder(int maxBytes, int maxPixels, Duration time, ImageRules rules) {
        this.maxBytes = maxBytes;
        this.maxPixels = maxPixels;
        this.time = time;
        this.rules = rules;
        this.room = new DecodingRoom(maxPixels, time);
    }

    /** Processes a decoded image within the same limits of memory and time. */
    interface Use<T> {
        T apply(RgbImage image, Deadline deadline) throws IOException, RejectedException;
    }

    /**
     * Decodes an image and applies {@code use} to it while its memory counts.
     *
     * @throws RejectedException for bytes that are no image, are cut short, pass a limit or make a decoder throw
     */
    <T> T decode(byte[] data, Use<T> use) throws RejectedException {
        checkBytes(data.length, maxBytes);
        ImageFormat format = ImageFormat.of(data)
                .orElseThrow(() -> unreadable("the file of %d bytes %s; expected JPEG, PNG, WebP, GIF or BMP"
                        .formatted(data.length, ImageFormat.describe(data))));
        try {
            ImageHeader header = switch (format) {
                case JPEG -> JpegHeader.of(data);
                case PNG -> PngHeader.of(data, rules);
                case BMP -> BmpHeader.of(data);
                case GIF -> GifHeader.of(data, rules);
                case WEBP -> WebpHeader.of(data);
            };
            return decode(Objects.requireNonNull(READERS.get(format)), header, use);
        } catch (RejectedException e) {
            throw e;
        } catch (Throwable e) { // decoders of hostile bytes throw nearly anything
            throw rejection(e, format, data.length);
        }
    }

    private static RejectedException rejection(Throwable e, ImageFormat format, int bytes) {
        String file = "the %s file of %d bytes".formatted(format, bytes);
        if (outOfMemory(e)) {
            // the image's fault, not the device's: what it took is free again
            return new RejectedException(
                    Reason.IMAGE_TOO_LARGE,
                    file + " doesn't fit the heap when decoded; give the JVM more or lower image.max-decoded-pixels");
        }
        if (e instanceof VirtualMachineError broken
                && !(e instanceof StackOverflowError)
                && !(e instanceof InternalError)) {
            throw broken;
        }
        String folder = e instanceof LinkageError && format == ImageFormat.WEBP
                ? "; libwebp is unpacked to the temporary folder " + System.getProperty("java.io.tmpdir")
                        + " (java.io.tmpdir), expected one to write to and to run from"
                : "";
        return unreadable("%s can't be decoded: %s%s".formatted(file, message(e), folder));
    }

    static void checkBytes(long bytes, int maxBytes) throws RejectedException {
        if (bytes > maxBytes) {
            throw new RejectedException(
                    Reason.IMAGE_TOO_LARGE, "the image has %d bytes; image.max-bytes is %d".formatted(bytes, maxBytes));
        }
    }

    private <T> T decode(ImageReaderSpi spi, ImageHeader header, Use<T> use) throws IOException, RejectedException {
        Deadline deadline = new Deadline(time);
        ImageReader reader = spi.createReaderInstance(null);
        try (ByteArrayImageInput input = new ByteArrayImageInput(header.pixels(), deadline)) {
            reader.setInput(input, true, true);
            int width = reader.getWidth(0);
            int height = reader.getHeight(0);
            Canvas canvas = header.canvas() == null ? new Canvas(width, height, 0, 0, Canvas.WHITE) : header.canvas();
            checkPixels(canvas.width(), canvas.height());
            checkPixels(width, height);
            SmartResize.requireShape(canvas.height(), canvas.width(), "");
            DecodingRoom.Share share =
                    room.take(cost(Math.max(width, canvas.width()), Math.max(height, canvas.height())));
            try {
                deadline.restart();
                RgbImage image = header.decoder().decode(reader, deadline);
                if (input.pastEnd()) {
                    throw new IOException("it is cut short");
                }
                RgbImage placed = canvas.place(image, deadline);
                int orientation = rules == ImageRules.PUBLISHED ? Orientation.UPRIGHT : header.orientation();
                return use.apply(Orientation.upright(placed, orientation, deadline), deadline);
            } finally {
                share.giveBack();
            }
        } finally {
            reader.dispose();
        }
    }

    private int cost(int width, int height) {
        return (int) Math.min(maxPixels, padded(width) * padded(height));
    }

    private static long padded(int side) {
        return (side + BLOCK - 1L) / BLOCK * BLOCK;
    }

    private void checkPixels(int width, int height) throws RejectedException {
        if (width < 1 || height < 1) {
            throw unreadable("it declares %d × %d pixels".formatted(width, height));
        }
        if ((long) width * height > maxPixels) {
            throw new RejectedException(
                    Reason.IMAGE_TOO_LARGE,
                    "the image declares %d × %d pixels; image.max-decoded-pixels is %d"
                            .formatted(width, height, maxPixels));
        }
    }

    private static RejectedException unreadable(String what) {
        return new RejectedException(Reason.IMAGE_UNREADABLE, "the image can't be read: " + what);
    }

    /** Searches the causes too, since readers wrap it. */
    private static boolean outOfMemory(Throwable e) {
        return e instanceof OutOfMemoryError || (e.getCause() != null && outOfMemory(e.getCause()));
    }

    private static String message(Throwable e) {
        if (e.getCause() != null) {
            return message(e.getCause());
        }
        String message = e.getMessage();
        return message == null || message.isBlank() ? e.getClass().getSimpleName() : ImageFetcher.shorten(message);
    }

    private static ImageReaderSpi ofJdk(String name) {
        try {
            Class<?> spi = Class.forName("com.sun.imageio.plugins." + name);
            return (ImageReaderSpi) IIORegistry.getDefaultInstance().getServiceProviderByClass(spi);
        } catch (ClassNotFoundException e) {
            throw new IllegalStateException("this JDK has no " + name + "; expected the module java.desktop", e);
        }
    }
}
