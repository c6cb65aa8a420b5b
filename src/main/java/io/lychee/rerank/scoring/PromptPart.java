package io.lychee.rerank.scoring;

import java.nio.ByteBuffer;
import java.util.List;

/**
 * One part of the prompt as the network takes it: a list's shared prefix, or one candidate. Image tokens are already
 * expanded: each image of height h and width w has {@code (h / cell) · (w / cell)} image-pad tokens in a row, in the
 * order of {@link #images()}.
 */
public final class PromptPart {

    private final int[] tokens;
    private final List<EncodedImage> images;
    private final int visionTokens;
    private final boolean truncated;
    private final Sha256 key;

    /** @param truncated the text was cut to its limit */
    public PromptPart(int[] tokens, List<EncodedImage> images, int visionTokens, boolean truncated) {
        if (tokens.length == 0) {
            throw new IllegalArgumentException("a prompt part without tokens");
        }
        this.tokens = tokens.clone();
        this.images = List.copyOf(images);
        this.visionTokens = visionTokens;
        this.truncated = truncated;
        ByteBuffer content = ByteBuffer.allocate(tokens.length * 4 + images.size() * 32);
        content.asIntBuffer().put(tokens);
        content.position(tokens.length * 4);
        images.forEach(image -> image.key().writeTo(content));
        this.key = Sha256.of(content.flip());
    }

    /** Returns a key that is equal for equal tokens and images only. */
    public Sha256 key() {
        return key;
    }

    /** Returns token ids; not to be changed. */
    public int[] tokens() {
        return tokens;
    }

    public List<EncodedImage> images() {
        return images;
    }

    /** Counts the tokens of images. */
    public int visionTokens() {
        return visionTokens;
    }

    public int textTokens() {
        return tokens.length - visionTokens;
    }

    public boolean truncated() {
        return truncated;
    }

    /** Returns the memory held, in bytes. */
    public long bytes() {
        return tokens.length * 4L
                + images.stream().mapToLong(EncodedImage::bytes).sum();
    }
}
