package io.lychee.rerank.qwen;

import java.util.stream.LongStream;

/**
 * Orders the cells (image tokens) of all images of a pass for window attention: image by image, and window by window
 * within one. Windows of equal size are adjacent, so that attention takes them in one batch; the order doesn't change
 * the result, because rotary positions move with the patches. Cells are numbered in row-major order from 0, across
 * images. Each result can be read once.
 */
final class VisionWindows {

    private final int windowCells;
    private final int merge;
    private final LongStream.Builder order = LongStream.builder();
    private final LongStream.Builder rows = LongStream.builder();
    private final LongStream.Builder columns = LongStream.builder();
    private final LongStream.Builder windows = LongStream.builder();
    private final LongStream.Builder images = LongStream.builder();
    private int cells;

    /**
     * @param windowCells side of a window in cells
     * @param merge side of a cell in patches
     */
    VisionWindows(int windowCells, int merge) {
        this.windowCells = windowCells;
        this.merge = merge;
    }

    /** Appends an image of this many cells. */
    void add(int height, int width) {
        int fullHeight = height / windowCells * windowCells;
        int fullWidth = width / windowCells * windowCells;
        addWindows(width, 0, fullHeight, 0, fullWidth);
        addWindows(width, 0, fullHeight, fullWidth, width);
        addWindows(width, fullHeight, height, 0, fullWidth);
        addWindows(width, fullHeight, height, fullWidth, width);
        images.add((long) height * width * merge * merge);
        cells += height * width;
    }

    /** Adds the windows of a rectangle in which all have one size: inner windows, an edge's, or the corner's. */
    private void addWindows(int width, int top, int bottom, int left, int right) {
        for (int y = top; y < bottom; y += windowCells) {
            for (int x = left; x < right; x += windowCells) {
                int yEnd = Math.min(y + windowCells, bottom);
                int xEnd = Math.min(x + windowCells, right);
                for (int row = y; row < yEnd; row++) {
                    for (int column = x; column < xEnd; column++) {
                        addCell(width, row, column);
                    }
                }
                windows.add((long) (yEnd - y) * (xEnd - x) * merge * merge);
            }
        }
    }

    private void addCell(int width, int row, int column) {
        order.add(cells + (long) row * width + column);
        for (int y = 0; y < merge; y++) {
            for (int x = 0; x < merge; x++) {
                rows.add((long) row * merge + y);
                columns.add((long) column * merge + x);
            }
        }
    }

    /** Returns the cell at each place of this order: (cells). */
    long[] order() {
        return order.build().toArray();
    }

    /** Returns the row of each patch in its image, in patches: (patches). */
    long[] rows() {
        return rows.build().toArray();
    }

    /** Returns the column of each patch in its image, in patches: (patches). */
    long[] columns() {
        return columns.build().toArray();
    }

    /** Returns the patches of each window: (windows). */
    long[] windows() {
        return windows.build().toArray();
    }

    /** Returns the patches of each image: (images). */
    long[] images() {
        return images.build().toArray();
    }
}
