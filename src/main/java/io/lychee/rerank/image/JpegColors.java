package io.lychee.rerank.image;

import java.awt.image.Raster;
import java.io.IOException;

/** Converts a JPEG's raw samples to RGB with libjpeg's integer arithmetic and, for CMYK, Pillow's. Ignores profiles. */
final class JpegColors {

    private static final int[] CR_TO_R = new int[256];
    private static final int[] CB_TO_B = new int[256];
    private static final int[] CR_TO_G = new int[256];
    private static final int[] CB_TO_G = new int[256];

    static {
        for (int i = 0; i < 256; i++) {
            int x = i - 128;
            CR_TO_R[i] = (fix(1.40200) * x + (1 << 15)) >> 16;
            CB_TO_B[i] = (fix(1.77200) * x + (1 << 15)) >> 16;
            CR_TO_G[i] = -fix(0.71414) * x;
            CB_TO_G[i] = -fix(0.34414) * x + (1 << 15);
        }
    }

    private JpegColors() {}

    /**
     * @param components as the frame header declares them; 1, 3 or 4
     * @param luma whether the first three are Y, Cb and Cr
     * @throws IOException for another number of bands
     */
    static RgbImage toRgb(Raster raster, int components, boolean luma, Deadline deadline) throws IOException {
        int bands = raster.getNumBands();
        if (bands != components || (bands != 1 && bands != 3 && bands != 4)) {
            throw new IOException("%d components; expected 1, 3 or 4".formatted(bands));
        }
        int[] row = new int[bands * raster.getWidth()];
        return RgbImage.ofRows(raster.getWidth(), raster.getHeight(), deadline, (y, rgb, at) -> {
            RgbConverter.samples(raster, y, row);
            if (luma) {
                lumaToRgb(row, bands);
            }
            for (int i = 0, to = at; i < row.length; i += bands, to += 3) {
                if (bands == 4) {
                    inkToRgb(row, i, luma);
                }
                rgb[to] = (byte) row[i];
                rgb[to + 1] = (byte) row[bands == 1 ? i : i + 1];
                rgb[to + 2] = (byte) row[bands == 1 ? i : i + 2];
            }
        });
    }

    private static void lumaToRgb(int[] row, int bands) {
        for (int i = 0; i < row.length; i += bands) {
            int y = row[i];
            int cb = row[i + 1];
            int cr = row[i + 2];
            row[i] = RgbImage.clip(y + CR_TO_R[cr]);
            row[i + 1] = RgbImage.clip(y + ((CB_TO_G[cb] + CR_TO_G[cr]) >> 16));
            row[i + 2] = RgbImage.clip(y + CB_TO_B[cb]);
        }
    }

    /** Follows Adobe's convention, as Pillow always does: stored values are inverted, 255 is no ink. */
    private static void inkToRgb(int[] row, int at, boolean luma) {
        int light = row[at + 3];
        for (int i = at; i < at + 3; i++) {
            // YCCK converts to red, green and blue, of which libjpeg and then Pillow take the complement
            int ink = luma ? row[i] : 255 - row[i];
            int product = ink * light + 128;
            row[i] = RgbImage.clip(light - (((product >> 8) + product) >> 8));
        }
    }

    private static int fix(double x) {
        return (int) (x * (1 << 16) + 0.5);
    }
}
