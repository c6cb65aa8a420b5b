package io.lychee.rerank.image;

import com.luciad.imageio.webp.WebPImageReaderSpi;
import io.lychee.rerank.domain.Reason;
import io.lychee.rerank.domain.RejectedException;
import java.awt.image.BufferedImage;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.Iterator;
import javax.imageio.ImageReader;
import javax.imageio.spi.IIORegistry;
import javax.imageio.spi.ImageReaderSpi;
import org.jspecify.annotations.Nullable;

/**
 * Decodes pictures to RGB as Pillow does: samples as they are stored, colour profiles ignored, alpha composited on
 * white, upright, the first frame of an animation. Limits are checked on what the file declares, before it is decoded.
 * Thread-safe.
 *
 * <p>Memory: what is decoded at a time is at most {@code image.max-decoded-pixels}, canvas and padding to blocks
 * counted, and a pixel costs at most {@value #BYTES_A_PIXEL} bytes: 4 as the reader makes it (8 with 16 bits), 8 of
 * coefficients in a progressive JPEG or of libwebp's own, 3 as RGB, 3 more while it is turned or laid on its canvas.
 * Beside that a picture takes up to twice its file, and a few rows.
 */
public final class ImageDecoder {

    /*
     * Readers are named one by one instead of looked up by format: the registry's plugin scan goes through the context
     * class loader, which in a Flink task is the job's, and the order of what it finds is not ours. JPEG stays with the
     * JDK's reader because its rasters are libjpeg's samples; a reader that applies profiles would not match Pillow.
     */
    private static final ImageReaderSpi JPEG = ofJdk("jpeg.JPEGImageReaderSpi");
    private static final ImageReaderSpi PNG = ofJdk("png.PNGImageReaderSpi");
    private static final ImageReaderSpi GIF = ofJdk("gif.GIFImageReaderSpi");
    private static final ImageReaderSpi BMP = ofJdk("bmp.BMPImageReaderSpi");
    private static final ImageReaderSpi WEBP = new WebPImageReaderSpi();

    static final int BYTES_A_PIXEL = 18;

    /** Decoders work in blocks of as many pixels to a side. */
    private static final int BLOCK = 32;

    private final int maxBytes;
    private final int maxPixels;
    private final Duration time;
    private final DecodingRoom room;

    /**
     * @param maxBytes of the file
     * @param maxPixels the file may declare
     * @param time that reading it may take
     */
    public ImageDecoder(int maxBytes, int maxPixels, Duration time) {
        this.maxBytes = maxBytes;
        this.maxPixels = maxPixels;
        this.time = time;
        this.room = new DecodingRoom(maxPixels, time);
    }

    /** Takes a decoded picture further, within the same limits. */
    public interface Use<T> {
        T apply(RgbImage image, Deadline deadline) throws IOException, RejectedException;
    }

    /**
     * @param use what is done to the picture while its memory counts
     * @throws RejectedException when the bytes are no picture, are cut short or pass a limit, and for whatever else
     *     they make a decoder throw
     */
    public <T> T decode(byte[] data, Use<T> use) throws RejectedException {
        checkBytes(data.length, maxBytes);
        ImageFormat format = ImageFormat.of(data)
                .orElseThrow(() -> unreadable("the file of %d bytes %s; expected JPEG, PNG, WebP, GIF or BMP"
                        .formatted(data.length, ImageFormat.describe(data))));
        String file = "the %s file of %d bytes".formatted(format, data.length);
        try {
            return decode(format, data, use);
        } catch (RejectedException e) {
            throw e;
        } catch (Throwable e) {
            if (outOfMemory(e)) {
                // the picture's fault, not the device's: what it took is free again
                throw new RejectedException(
                        Reason.IMAGE_TOO_LARGE,
                        file
                                + " doesn't fit the heap when decoded; give the JVM more or lower image.max-decoded-pixels");
            }
            if (e instanceof VirtualMachineError broken
                    && !(e instanceof StackOverflowError)
                    && !(e instanceof InternalError)) {
                throw broken;
            }
            // decoders of hostile bytes throw nearly anything
            String folder = e instanceof LinkageError && format == ImageFormat.WEBP
                    ? "; libwebp is unpacked to the temporary folder %s (java.io.tmpdir), expected one to write to and to run from"
                            .formatted(System.getProperty("java.io.tmpdir"))
                    : "";
            throw unreadable("%s can't be decoded: %s%s".formatted(file, message(e), folder));
        }
    }

    static void checkBytes(long bytes, int maxBytes) throws RejectedException {
        if (bytes > maxBytes) {
            throw new RejectedException(
                    Reason.IMAGE_TOO_LARGE, "the image has %d bytes; image.max-bytes is %d".formatted(bytes, maxBytes));
        }
    }

    private <T> T decode(ImageFormat format, byte[] data, Use<T> use) throws IOException, RejectedException {
        return switch (format) {
            case JPEG -> {
                JpegHeader header = JpegHeader.of(data);
                yield read(
                        JPEG,
                        header.pixels(),
                        null,
                        header.orientation(),
                        use,
                        (reader, deadline) -> JpegColors.toRgb(reader.readRaster(0, null), header, deadline));
            }
            case PNG -> {
                PngChunks chunks = PngChunks.of(data);
                yield read(PNG, chunks.pixels(), null, chunks.orientation(), use, ImageDecoder::readJdk);
            }
            case BMP -> read(BMP, BmpHeader.pixels(data), null, Orientation.UPRIGHT, use, ImageDecoder::readJdk);
            case GIF -> {
                GifHeader header = GifHeader.of(data);
                yield read(GIF, header.pixels(), header.canvas(), Orientation.UPRIGHT, use, ImageDecoder::readJdk);
            }
            case WEBP -> {
                WebpContainer container = WebpContainer.of(data);
                yield read(
                        WEBP,
                        container.pixels(),
                        container.canvas(),
                        container.orientation(),
                        use,
                        (reader, deadline) -> RgbConverter.packed(readWebp(reader), container.alpha(), deadline));
            }
        };
    }

    private static RgbImage readJdk(ImageReader reader, Deadline deadline) throws IOException {
        return RgbConverter.toRgb(reader.read(0), deadline);
    }

    private static BufferedImage readWebp(ImageReader reader) throws IOException {
        try {
            return reader.read(0);
        } catch (OutOfMemoryError e) {
            if (e.getMessage() != null) {
                throw e; // the JVM's own
            }
            // what the library makes of libwebp's status "out of memory", which damaged files cause
            throw new IOException("libwebp gave up on it");
        }
    }

    private interface Step {
        RgbImage apply(ImageReader reader, Deadline deadline) throws IOException;
    }

    private <T> T read(
            ImageReaderSpi spi,
            ByteBuffer pixels,
            @Nullable Canvas canvas,
            Orientation orientation,
            Use<T> use,
            Step step)
            throws IOException, RejectedException {
        Deadline deadline = new Deadline(time);
        ImageReader reader = spi.createReaderInstance(null);
        try (ByteArrayImageInput input = new ByteArrayImageInput(pixels, deadline)) {
            if (canvas != null) {
                checkPixels(canvas.width(), canvas.height());
            }
            reader.setInput(input, true, true);
            int width = reader.getWidth(0);
            int height = reader.getHeight(0);
            checkPixels(width, height);
            SmartResize.requireShape(
                    canvas == null ? height : canvas.height(), canvas == null ? width : canvas.width());
            int cost = canvas == null
                    ? cost(width, height)
                    : cost(Math.max(width, canvas.width()), Math.max(height, canvas.height()));
            DecodingRoom.Share share = room.take(cost);
            try {
                deadline.restart();
                RgbImage image = step.apply(reader, deadline);
                if (input.pastEnd()) {
                    throw new IOException("it is cut short");
                }
                RgbImage placed = canvas == null ? image : canvas.place(image, deadline);
                return use.apply(orientation.apply(placed, deadline), deadline);
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

    /** Looks through the causes too: readers wrap it. libwebp's, of damaged files, are no part of them. */
    private static boolean outOfMemory(Throwable e) {
        return e instanceof OutOfMemoryError || (e.getCause() != null && outOfMemory(e.getCause()));
    }

    private static String message(Throwable e) {
        if (e.getCause() != null) {
            return message(e.getCause());
        }
        String message = e.getMessage();
        return message == null || message.isBlank()
                ? e.getClass().getSimpleName()
                : message.length() > 200 ? message.substring(0, 200) + "…" : message;
    }

    private static ImageReaderSpi ofJdk(String name) {
        Iterator<ImageReaderSpi> providers =
                IIORegistry.getDefaultInstance().getServiceProviders(ImageReaderSpi.class, false);
        while (providers.hasNext()) {
            ImageReaderSpi provider = providers.next();
            if (provider.getClass().getName().equals("com.sun.imageio.plugins." + name)) {
                return provider;
            }
        }
        throw new IllegalStateException("this JDK has no " + name + "; expected the module java.desktop");
    }
}
