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
 * Assigns places in the device's vision cache to images: one place a cell, of a fixed number of cells. Evicts the least
 * recently used images. Owned by the device thread.
 */
final class VisionCache {

    private final boolean keep;
    private final Map<Sha256, long[]> cached = new LinkedHashMap<>(256, 0.75f, true); // least recently used first
    private final long[] free; // a stack
    private int frees;

    /**
     * @param cells number of places, at least that of the images of any pass
     * @param keep whether images stay cached after their pass
     */
    VisionCache(int cells, boolean keep) {
        this.keep = keep;
        this.free = new long[cells];
        for (int i = 0; i < cells; i++) {
            free[i] = cells - 1L - i;
        }
        this.frees = cells;
    }

    /**
     * Places the images of a pass.
     *
     * @param places of the cells of all images, in order
     * @param unseen images to encode, each once
     * @param unseenPlaces of their cells
     * @param hits for each image whether it was cached
     */
    @SuppressWarnings("ArrayRecordComponent") // never compared
    record Plan(long[] places, List<EncodedImage> unseen, long[] unseenPlaces, boolean[] hits) {}

    /**
     * Reserves places for the images that are not cached.
     *
     * @param cell side of a cell in pixels
     */
    Plan plan(List<EncodedImage> images, int cell) {
        int cells = images.stream().mapToInt(image -> cells(image, cell)).sum();
        if (cells > free.length) {
            throw new IllegalStateException(
                    "the images of one pass have %d cells of %d; this is a bug".formatted(cells, free.length));
        }
        if (!keep) {
            cached.values().forEach(this::release);
            cached.clear();
        }
        List<EncodedImage> unseen = new ArrayList<>();
        boolean[] hits = new boolean[images.size()];
        for (int i = 0; i < hits.length; i++) { // used now: the last to be evicted
            hits[i] = cached.get(images.get(i).key()) != null;
        }
        for (int i = 0; i < hits.length; i++) {
            EncodedImage image = images.get(i);
            if (cached.get(image.key()) == null) {
                cached.put(image.key(), take(cells(image, cell)));
                unseen.add(image);
            }
        }
        return new Plan(placesOf(images), unseen, placesOf(unseen), hits);
    }

    /** Releases the places reserved for a pass that failed. */
    void forget(List<EncodedImage> unseen) {
        for (EncodedImage image : unseen) {
            long[] places = cached.remove(image.key());
            if (places != null) {
                release(places);
            }
        }
    }

    private static int cells(EncodedImage image, int cell) {
        return (image.height() / cell) * (image.width() / cell);
    }

    private long[] take(int cells) {
        Iterator<long[]> eldest = cached.values().iterator();
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
                .map(image -> cached.get(image.key()))
                .flatMapToLong(Arrays::stream)
                .toArray();
    }
}
