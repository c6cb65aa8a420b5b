package io.lychee.rerank.image;

import com.github.benmanes.caffeine.cache.Cache;
import com.github.benmanes.caffeine.cache.Caffeine;
import io.lychee.rerank.checkpoint.Family;
import io.lychee.rerank.checkpoint.ImageProcessorConfig;
import io.lychee.rerank.config.RerankConfig;
import io.lychee.rerank.domain.RejectedException;
import io.lychee.rerank.scoring.EncodedImage;
import io.lychee.rerank.scoring.Sha256;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.List;
import java.util.concurrent.atomic.LongAdder;

/** Decodes and resizes images for the network, and caches the results by the files' bytes. Thread-safe. */
public final class ImageEncoder {

    private final ImageDecoder decoder;
    private final List<SmartResize> passes;
    private final int cell;
    private final Cache<Sha256, EncodedImage> images;
    private final LongAdder hits = new LongAdder();

    /**
     * @param cacheBytes of resized pixels to keep
     * @throws io.lychee.rerank.config.ConfigException when the limits and the checkpoint allow no size
     */
    public ImageEncoder(RerankConfig.Limits limits, Family family, ImageProcessorConfig checkpoint, long cacheBytes) {
        this.decoder = new ImageDecoder(
                limits.maxImageBytes(), limits.maxDecodedPixels(), limits.decodeTimeout(), limits.imageRules());
        this.passes = SmartResize.passes(limits, family, checkpoint);
        this.cell = checkpoint.cellSize();
        this.images = Caffeine.newBuilder()
                .maximumWeight(cacheBytes)
                .executor(Runnable::run) // evicts on the caller's thread, at once
                .weigher((Sha256 key, EncodedImage image) -> image.bytes())
                .build();
    }

    /** @throws RejectedException when the bytes can't be decoded or a limit is passed */
    public EncodedImage encode(byte[] data) throws RejectedException {
        Sha256 key = Sha256.of(ByteBuffer.wrap(data));
        EncodedImage known = images.getIfPresent(key);
        if (known != null) {
            hits.increment();
            return known;
        }
        EncodedImage encoded = decoder.decode(data, this::resize);
        images.put(key, encoded);
        return encoded;
    }

    private EncodedImage resize(RgbImage decoded, Deadline deadline) throws IOException, RejectedException {
        RgbImage image = decoded;
        String when = "";
        for (SmartResize pass : passes) {
            SmartResize.requireShape(image.height(), image.width(), when);
            SmartResize.Size size = pass.size(image.height(), image.width());
            image = PillowBicubic.resize(image, size.height(), size.width(), deadline);
            when = " after its first resize (image.rules=published)";
        }
        return new EncodedImage(image.height(), image.width(), ByteBuffer.wrap(image.data()));
    }

    /** Counts the tokens of an image: one for each merged cell. */
    public int tokens(EncodedImage image) {
        return (image.height() / cell) * (image.width() / cell);
    }

    /** Images that were neither decoded nor resized because they were in the cache. */
    public long hits() {
        return hits.sum();
    }
}
