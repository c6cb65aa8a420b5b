package io.lychee.rerank.qwen;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * In which order the vision tower sees the cells (merged patches) of all images of a pass: image by image, inside an
 * image window by window, so that each window is one stretch. Windows of equal size lie side by side, which changes
 * nothing (rotary positions travel with the patches) and lets attention take them in one batch. Cells of an image count
 * row by row from 0, on from one image to the next.
 */
final class VisionWindows {

    private final int windowCells;
    private final int merge;
    private final Runs windows = new Runs();
    private final Runs images = new Runs();
    private final LongList order = new LongList();
    private final LongList rows = new LongList();
    private final LongList columns = new LongList();
    private int cells;

    /** @param windowCells side of a window in cells */
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
        images.add(height * width * merge * merge);
        cells += height * width;
    }

    /** The windows of a rectangle in which all have one size: the inner ones, an edge's, or the corner's. */
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
                windows.add((yEnd - y) * (xEnd - x) * merge * merge);
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

    /** At each place of this order, which cell lies there: (cells). */
    long[] order() {
        return order.toArray();
    }

    /** In which row of patches of its image each patch of this order lies: (patches). */
    long[] rows() {
        return rows.toArray();
    }

    /** In which column of patches of its image each patch of this order lies: (patches). */
    long[] columns() {
        return columns.toArray();
    }

    /** Windows, in patches. */
    Runs windows() {
        return windows;
    }

    /** Images, in patches. */
    Runs images() {
        return images;
    }

    /** Blocks one behind the other, as runs of equal size. */
    static final class Runs {

        private final List<Integer> counts = new ArrayList<>();
        private final List<Integer> sizes = new ArrayList<>();

        private void add(int size) {
            int last = sizes.size() - 1;
            if (last >= 0 && sizes.get(last) == size) {
                counts.set(last, counts.get(last) + 1);
            } else {
                counts.add(1);
                sizes.add(size);
            }
        }

        /** How many blocks each run has. */
        long[] counts() {
            return counts.stream().mapToLong(i -> i).toArray();
        }

        /** How large each block of a run is. */
        long[] sizes() {
            return sizes.stream().mapToLong(i -> i).toArray();
        }
    }

    private static final class LongList {

        private long[] values = new long[256];
        private int size;

        void add(long value) {
            if (size == values.length) {
                values = Arrays.copyOf(values, size * 2);
            }
            values[size++] = value;
        }

        long[] toArray() {
            return Arrays.copyOf(values, size);
        }
    }
}
