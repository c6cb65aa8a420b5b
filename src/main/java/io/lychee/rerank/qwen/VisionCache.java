package io.lychee.rerank.qwen;

import io.lychee.rerank.scoring.EncodedImage;
import io.lychee.rerank.scoring.Sha256;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Which images the vision tower has seen, and where on the device its output of each lies: one place a cell, in memory
 * of a fixed number of cells. Images used longest ago give way. Owned by the device thread.
 */
final class VisionCache {

    private final boolean keep;
    private final Map<Sha256, long[]> seen = new LinkedHashMap<>(256, 0.75f, true); // eldest use first
    private final long[] free;
    private int frees;

    /**
     * @param cells places there are; at least as many as the images of any one pass have
     * @param keep whether what one pass saw is there for the next
     */
    VisionCache(int cells, boolean keep) {
        this.keep = keep;
        this.free = new long[cells];
        for (int i = 0; i < cells; i++) {
            free[i] = cells - 1L - i;
        }
        this.frees = cells;
    }

    /** The images of a pass. */
    static final class Plan {

        /** Of the cells of all images, in their order. */
        final long[] places;
        /** To be seen now, each once. */
        final List<EncodedImage> unseen;
        /** Of the cells of these. */
        final long[] unseenPlaces;
        /** For each image whether it had been seen. */
        final boolean[] hits;

        private Plan(long[] places, List<EncodedImage> unseen, long[] unseenPlaces, boolean[] hits) {
            this.places = places;
            this.unseen = unseen;
            this.unseenPlaces = unseenPlaces;
            this.hits = hits;
        }
    }

    /** @param cell side in pixels of the square that one place stands for */
    Plan plan(List<EncodedImage> images, int cell) {
        int cells = images.stream().mapToInt(image -> cells(image, cell)).sum();
        if (cells > free.length) {
            throw new IllegalStateException(
                    "the images of one pass have %d cells of %d; this is a bug".formatted(cells, free.length));
        }
        if (!keep) {
            seen.values().forEach(this::release);
            seen.clear();
        }
        List<EncodedImage> unseen = new ArrayList<>();
        boolean[] hits = new boolean[images.size()];
        for (int i = 0; i < hits.length; i++) { // used now: the last to give way
            hits[i] = seen.get(images.get(i).key()) != null;
        }
        for (int i = 0; i < hits.length; i++) {
            EncodedImage image = images.get(i);
            if (seen.get(image.key()) == null) {
                seen.put(image.key(), take(cells(image, cell)));
                unseen.add(image);
            }
        }
        return new Plan(placesOf(images), unseen, placesOf(unseen), hits);
    }

    /** What was to be seen has not been: the pass failed. */
    void forget(List<EncodedImage> unseen) {
        for (EncodedImage image : unseen) {
            long[] places = seen.remove(image.key());
            if (places != null) {
                release(places);
            }
        }
    }

    private static int cells(EncodedImage image, int cell) {
        return (image.height() / cell) * (image.width() / cell);
    }

    private long[] take(int cells) {
        Iterator<long[]> eldest = seen.values().iterator();
        while (frees < cells) {
            release(eldest.next());
            eldest.remove();
        }
        long[] places = new long[cells];
        frees -= cells;
        System.arraycopy(free, frees, places, 0, cells);
        return places;
    }

    private void release(long[] places) {
        System.arraycopy(places, 0, free, frees, places.length);
        frees += places.length;
    }

    private long[] placesOf(List<EncodedImage> images) {
        return images.stream()
                .map(image -> seen.get(image.key()))
                .flatMapToLong(Arrays::stream)
                .toArray();
    }
}
