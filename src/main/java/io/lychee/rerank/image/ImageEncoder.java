package io.lychee.rerank.image;

import com.github.benmanes.caffeine.cache.Cache;
import com.github.benmanes.caffeine.cache.Caffeine;
import io.lychee.rerank.checkpoint.Family;
import io.lychee.rerank.checkpoint.ImageProcessorConfig;
import io.lychee.rerank.config.RerankConfig;
import io.lychee.rerank.domain.RejectedException;
import io.lychee.rerank.scoring.EncodedImage;
import io.lychee.rerank.scoring.Sha256;
import java.nio.ByteBuffer;
import java.util.concurrent.atomic.LongAdder;

/** Decodes and resizes images for the network, and caches the results by the files' bytes. Thread-safe. */
public final class ImageEncoder {

    private final ImageDecoder decoder;
    private final SmartResize sizes;
    private final Cache<Sha256, EncodedImage> images;
    private final LongAdder hits = new LongAdder();

    /**
     * @param cacheBytes of resized pixels to keep
     * @throws io.lychee.rerank.config.ConfigException when the limits and the checkpoint allow no size
     */
    public ImageEncoder(RerankConfig.Limits limits, Family family, ImageProcessorConfig checkpoint, long cacheBytes) {
        this.decoder = new ImageDecoder(limits.maxImageBytes(), limits.maxDecodedPixels(), limits.decodeTimeout());
        this.sizes = SmartResize.of(limits, family, checkpoint);
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
        EncodedImage encoded = decoder.decode(data, (image, deadline) -> {
            SmartResize.Size size = sizes.size(image.height(), image.width());
            return new EncodedImage(
                    size.height(), size.width(), PillowBicubic.resize(image, size.height(), size.width(), deadline));
        });
        images.put(key, encoded);
        return encoded;
    }

    /** Counts the tokens of an image: one for each merged cell. */
    public int tokens(EncodedImage image) {
        return (image.height() / sizes.factor()) * (image.width() / sizes.factor());
    }

    /** Images that were neither decoded nor resized because they were in the cache. */
    public long hits() {
        return hits.sum();
    }
}
