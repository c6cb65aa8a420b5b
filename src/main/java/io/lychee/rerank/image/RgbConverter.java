package io.lychee.rerank.image;

import io.lychee.rerank.config.ImageRules;
import java.awt.image.BufferedImage;
import java.awt.image.ColorModel;
import java.awt.image.ComponentColorModel;
import java.awt.image.DataBufferByte;
import java.awt.image.IndexColorModel;
import java.awt.image.PixelInterleavedSampleModel;
import java.awt.image.Raster;
import java.io.IOException;

/**
 * Converts a decoded image to 8-bit RGB, composited on white. Reads rasters, because {@code BufferedImage.getRGB} takes
 * gray for linear light and is wrong by up to 73 levels.
 */
final class RgbConverter {

    private RgbConverter() {}

    /** @throws IOException when its pixels are of no known kind */
    static RgbImage toRgb(BufferedImage image, ImageRules rules, Deadline deadline) throws IOException {
        ColorModel colors = image.getColorModel();
        if (colors instanceof IndexColorModel palette) {
            return palette(image.getRaster(), palette, deadline);
        }
        if (colors instanceof ComponentColorModel) {
            return components(image.getRaster(), colors.getComponentSize(0), rules, deadline);
        }
        return packed(image, true, deadline);
    }

    /** Bands are gray, gray and alpha, RGB, or RGB and alpha. */
    private static RgbImage components(Raster raster, int bits, ImageRules rules, Deadline deadline)
            throws IOException {
        int bands = raster.getNumBands();
        if (bands > 4 || (bits != 8 && bits != 16)) {
            throw new IOException("%d bands of %d bits; expected 1 to 4 of 8 or 16".formatted(bands, bits));
        }
        boolean published = rules == ImageRules.PUBLISHED;
        // the high byte, as libpng and Pillow take it; but Pillow clips 16-bit gray without alpha
        int shift = published && bands == 1 ? 0 : bits - 8;
        // qwen_vl_utils composites what Pillow opens as RGBA: 16-bit gray with alpha is, 8-bit is not
        boolean alpha = bands == 4 || (bands == 2 && !(published && bits == 8));
        int green = bands < 3 ? 0 : 1;
        int blue = bands < 3 ? 0 : 2;
        int[] row = new int[raster.getWidth() * bands];
        return RgbImage.ofRows(raster.getWidth(), raster.getHeight(), deadline, (y, rgb, at) -> {
            samples(raster, y, row);
            for (int i = 0, to = at; i < row.length; i += bands, to += 3) {
                int opacity = alpha ? row[i + bands - 1] >> shift : 255;
                rgb[to] = (byte) onWhite(RgbImage.clip(row[i] >> shift), opacity);
                rgb[to + 1] = (byte) onWhite(RgbImage.clip(row[i + green] >> shift), opacity);
                rgb[to + 2] = (byte) onWhite(RgbImage.clip(row[i + blue] >> shift), opacity);
            }
        });
    }

    private static RgbImage palette(Raster raster, IndexColorModel model, Deadline deadline) throws IOException {
        int[] colors = new int[1 << Math.max(8, model.getPixelSize())];
        model.getRGBs(colors);
        for (int i = 0; i < colors.length; i++) {
            // an index without a color is black, as in Pillow
            colors[i] = i < model.getMapSize() ? onWhite(colors[i]) : 0;
        }
        int[] row = new int[raster.getWidth()];
        return RgbImage.ofRows(raster.getWidth(), raster.getHeight(), deadline, (y, rgb, at) -> {
            raster.getPixels(0, y, row.length, 1, row);
            for (int i = 0; i < row.length; i++) {
                put(rgb, at + 3 * i, colors[row[i]]);
            }
        });
    }

    /** @param alpha whether the pixels' alpha counts; they are opaque otherwise */
    static RgbImage packed(BufferedImage image, boolean alpha, Deadline deadline) throws IOException {
        int[] row = new int[image.getWidth()];
        return RgbImage.ofRows(image.getWidth(), image.getHeight(), deadline, (y, rgb, at) -> {
            image.getRGB(0, y, row.length, 1, row, 0, row.length);
            for (int i = 0; i < row.length; i++) {
                put(rgb, at + 3 * i, alpha ? onWhite(row[i]) : row[i]);
            }
        });
    }

    private static void put(byte[] rgb, int at, int color) {
        rgb[at] = (byte) (color >> 16);
        rgb[at + 1] = (byte) (color >> 8);
        rgb[at + 2] = (byte) color;
    }

    private static int onWhite(int argb) {
        int alpha = argb >>> 24;
        return onWhite(argb >> 16 & 0xff, alpha) << 16
                | onWhite(argb >> 8 & 0xff, alpha) << 8
                | onWhite(argb & 0xff, alpha);
    }

    /** Blends as Pillow's paste with a mask does: rounded division by 255. */
    private static int onWhite(int value, int alpha) {
        int sum = 255 * (255 - alpha) + value * alpha + 128;
        return ((sum >> 8) + sum) >> 8;
    }

    /** Reads one row of raw samples, bands together. */
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
}
