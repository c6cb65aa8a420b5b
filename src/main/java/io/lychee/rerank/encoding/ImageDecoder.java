package io.lychee.rerank.encoding;

import com.luciad.imageio.webp.WebPImageReaderSpi;
import io.lychee.rerank.domain.Reason;
import io.lychee.rerank.domain.RejectedException;
import java.io.IOException;
import java.time.Duration;
import java.util.Iterator;
import javax.imageio.ImageReader;
import javax.imageio.spi.IIORegistry;
import javax.imageio.spi.ImageReaderSpi;

/**
 * Encoded pictures to RGB as Pillow makes it: samples as they are stored, colour profiles ignored, alpha composited on
 * white, EXIF orientation applied, the first frame of an animation. Limits are checked on what the file declares,
 * before it is decoded. Thread-safe.
 */
final class ImageDecoder {

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

    private final int maxBytes;
    private final int maxPixels;
    private final Duration time;
    private final DecodingRoom room;

    /**
     * @param maxBytes of the file
     * @param maxPixels the file may declare
     * @param time that reading it may take
     */
    ImageDecoder(int maxBytes, int maxPixels, Duration time) {
        this.maxBytes = maxBytes;
        this.maxPixels = maxPixels;
        this.time = time;
        this.room = new DecodingRoom(maxPixels, time);
    }

    /** @throws RejectedException when the bytes are no picture, are cut short or pass a limit */
    RgbImage decode(byte[] data) throws RejectedException {
        checkBytes(data.length, maxBytes);
        ImageFormat format = ImageFormat.of(data)
                .orElseThrow(() -> unreadable("its %d bytes %s; expected a JPEG, PNG, WebP, GIF or BMP file"
                        .formatted(data.length, ImageFormat.describe(data))));
        try (ByteArrayImageInput input = new ByteArrayImageInput(data, time.toNanos())) {
            RgbImage image = decode(format, data, input);
            if (input.pastEnd()) {
                throw unreadable("the %s file of %d bytes is cut short".formatted(format, data.length));
            }
            return Orientation.of(format, data).apply(image);
        } catch (IOException | RuntimeException e) {
            // decoders of hostile bytes throw nearly anything
            throw unreadable("the %s file of %d bytes can't be decoded: %s".formatted(format, data.length, message(e)));
        } catch (OutOfMemoryError e) {
            // the picture's fault, not the device's: what it took is free again
            throw new RejectedException(
                    Reason.IMAGE_TOO_LARGE,
                    "the %s file of %d bytes doesn't fit the heap when decoded; give the JVM more or lower image.max-decoded-pixels"
                            .formatted(format, data.length));
        }
    }

    static void checkBytes(long bytes, int maxBytes) throws RejectedException {
        if (bytes > maxBytes) {
            throw new RejectedException(
                    Reason.IMAGE_TOO_LARGE, "the image has %d bytes; image.max-bytes is %d".formatted(bytes, maxBytes));
        }
    }

    private RgbImage decode(ImageFormat format, byte[] data, ByteArrayImageInput input)
            throws IOException, RejectedException {
        return switch (format) {
            case JPEG -> {
                JpegHeader header = JpegHeader.of(data);
                yield read(JPEG, input, reader -> JpegColors.toRgb(reader.readRaster(0, null), header));
            }
            case PNG -> read(PNG, input, reader -> Rasters.toRgb(reader.read(0)));
            case BMP -> read(BMP, input, reader -> Rasters.toRgb(reader.read(0)));
            case GIF -> {
                GifCanvas canvas = GifCanvas.of(data);
                checkPixels(canvas.width(), canvas.height());
                yield read(GIF, input, reader -> canvas.place(Rasters.toRgb(reader.read(0))));
            }
            case WEBP -> {
                WebpContainer container = WebpContainer.of(data);
                checkPixels(container.width(), container.height());
                yield read(WEBP, input, ImageDecoder::readWebp);
            }
        };
    }

    private static RgbImage readWebp(ImageReader reader) throws IOException {
        try {
            return Rasters.toRgb(reader.read(0));
        } catch (OutOfMemoryError e) {
            if (e.getMessage() != null) {
                throw e; // the JVM's own
            }
            // what the library makes of libwebp's status "out of memory", which damaged files cause
            throw new IOException("libwebp gave up on it", e);
        }
    }

    private interface Step {
        RgbImage apply(ImageReader reader) throws IOException;
    }

    private RgbImage read(ImageReaderSpi spi, ByteArrayImageInput input, Step step)
            throws IOException, RejectedException {
        ImageReader reader = spi.createReaderInstance(null);
        try {
            reader.setInput(input, true, true);
            int width = reader.getWidth(0);
            int height = reader.getHeight(0);
            checkPixels(width, height);
            DecodingRoom.Share share = room.take(width * height);
            try {
                input.start();
                return step.apply(reader);
            } finally {
                share.giveBack();
            }
        } finally {
            reader.dispose();
        }
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
