package io.lychee.rerank.image;

import java.awt.image.BufferedImage;
import java.awt.image.ColorModel;
import java.awt.image.ComponentColorModel;
import java.awt.image.DataBufferByte;
import java.awt.image.IndexColorModel;
import java.awt.image.PixelInterleavedSampleModel;
import java.awt.image.Raster;
import java.io.IOException;

/**
 * Samples of a decoded picture to 8-bit RGB, alpha composited on white. Reads rasters: {@code BufferedImage.getRGB}
 * takes grey for linear light and is wrong by up to 73 levels.
 */
final class RgbConverter {

    private RgbConverter() {}

    /** @throws IOException when its pixels are of no kind known here */
    static RgbImage toRgb(BufferedImage image, Deadline deadline) throws IOException {
        ColorModel colors = image.getColorModel();
        if (colors instanceof IndexColorModel palette) {
            return palette(image.getRaster(), palette, deadline);
        }
        if (colors instanceof ComponentColorModel) {
            return components(image.getRaster(), colors.getComponentSize(0), deadline);
        }
        return packed(image, true, deadline);
    }

    /** Bands are grey, grey and alpha, RGB, or RGB and alpha. */
    private static RgbImage components(Raster raster, int bits, Deadline deadline) throws IOException {
        int bands = raster.getNumBands();
        if (bands > 4 || (bits != 8 && bits != 16)) {
            throw new IOException("%d bands of %d bits; expected 1 to 4 of 8 or 16".formatted(bands, bits));
        }
        int width = raster.getWidth();
        int height = raster.getHeight();
        byte[] rgb = new byte[3 * width * height];
        int[] row = new int[width * bands];
        for (int y = 0, at = 0; y < height; y++, at += 3 * width) {
            deadline.check();
            samples(raster, y, row);
            if (bits == 16) {
                // as libpng and Pillow do: the high byte
                for (int i = 0; i < row.length; i++) {
                    row[i] >>= 8;
                }
            }
            unpack(row, bands, rgb, at);
        }
        return new RgbImage(width, height, rgb);
    }

    private static void unpack(int[] row, int bands, byte[] rgb, int at) {
        boolean grey = bands < 3;
        boolean alpha = bands == 2 || bands == 4;
        int green = grey ? 0 : 1;
        int blue = grey ? 0 : 2;
        for (int i = 0, to = at; i < row.length; i += bands, to += 3) {
            int a = alpha ? row[i + bands - 1] : 255;
            rgb[to] = onWhite(row[i], a);
            rgb[to + 1] = onWhite(row[i + green], a);
            rgb[to + 2] = onWhite(row[i + blue], a);
        }
    }

    private static RgbImage palette(Raster raster, IndexColorModel model, Deadline deadline) throws IOException {
        int[] argb = new int[model.getMapSize()];
        model.getRGBs(argb);
        byte[][] colors = new byte[argb.length][];
        for (int i = 0; i < argb.length; i++) {
            colors[i] = onWhite(argb[i]);
        }
        int width = raster.getWidth();
        int height = raster.getHeight();
        byte[] rgb = new byte[3 * width * height];
        int[] row = new int[width];
        int at = 0;
        for (int y = 0; y < height; y++) {
            deadline.check();
            raster.getPixels(0, y, width, 1, row);
            for (int index : row) {
                // an index without a colour is black, as in Pillow
                if (index < colors.length) {
                    System.arraycopy(colors[index], 0, rgb, at, 3);
                }
                at += 3;
            }
        }
        return new RgbImage(width, height, rgb);
    }

    /** @param alpha whether the pixels' alpha counts; they are opaque otherwise */
    static RgbImage packed(BufferedImage image, boolean alpha, Deadline deadline) throws IOException {
        int width = image.getWidth();
        byte[] rgb = new byte[3 * width * image.getHeight()];
        int[] row = new int[width];
        int at = 0;
        for (int y = 0; y < image.getHeight(); y++) {
            deadline.check();
            image.getRGB(0, y, width, 1, row, 0, width);
            for (int argb : row) {
                int opacity = alpha ? argb >>> 24 : 255;
                rgb[at] = onWhite((argb >> 16) & 0xff, opacity);
                rgb[at + 1] = onWhite((argb >> 8) & 0xff, opacity);
                rgb[at + 2] = onWhite(argb & 0xff, opacity);
                at += 3;
            }
        }
        return new RgbImage(width, image.getHeight(), rgb);
    }

    /** One row of raw samples, bands together. */
    static void samples(Raster raster, int y, int[] row) {
        if (raster.getSampleModel() instanceof PixelInterleavedSampleModel model
                && raster.getDataBuffer() instanceof DataBufferByte buffer
                && raster.getParent() == null) {
            int[] offsets = model.getBandOffsets();
            int bands = offsets.length;
            int stride = model.getPixelStride();
            byte[] data = buffer.getData();
            int start = buffer.getOffset() + y * model.getScanlineStride();
            for (int band = 0; band < bands; band++) {
                int from = start + offsets[band];
                for (int i = band; i < row.length; i += bands, from += stride) {
                    row[i] = data[from] & 0xff;
                }
            }
        } else {
            raster.getPixels(0, y, raster.getWidth(), 1, row);
        }
    }

    private static byte[] onWhite(int argb) {
        int alpha = argb >>> 24;
        byte[] rgb = {
            onWhite((argb >> 16) & 0xff, alpha), onWhite((argb >> 8) & 0xff, alpha), onWhite(argb & 0xff, alpha)
        };
        return rgb;
    }

    /** Pillow's paste with a mask: rounded division by 255. */
    private static byte onWhite(int value, int alpha) {
        int sum = 255 * (255 - alpha) + value * alpha + 128;
        return (byte) (((sum >> 8) + sum) >> 8);
    }
}
