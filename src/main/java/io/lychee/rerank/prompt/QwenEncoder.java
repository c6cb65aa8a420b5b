package io.lychee.rerank.prompt;

import com.github.benmanes.caffeine.cache.Cache;
import com.github.benmanes.caffeine.cache.Caffeine;
import io.lychee.rerank.checkpoint.CheckpointFiles;
import io.lychee.rerank.checkpoint.ImageProcessorConfig;
import io.lychee.rerank.config.ConfigException;
import io.lychee.rerank.config.RerankConfig;
import io.lychee.rerank.domain.Candidate;
import io.lychee.rerank.domain.Content;
import io.lychee.rerank.domain.Reason;
import io.lychee.rerank.domain.RejectedException;
import io.lychee.rerank.image.ImageDecoder;
import io.lychee.rerank.image.ImageFetcher;
import io.lychee.rerank.image.PillowBicubic;
import io.lychee.rerank.image.SmartResize;
import io.lychee.rerank.scoring.EncodedImage;
import io.lychee.rerank.scoring.Encoder;
import io.lychee.rerank.scoring.PromptPart;
import io.lychee.rerank.scoring.Sha256;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.LongAdder;
import org.apache.hc.client5.http.SystemDefaultDnsResolver;
import org.jspecify.annotations.Nullable;

/** Encodes for a Qwen2.5-VL checkpoint: its tokenizer, its image sizes, the configured prompt. Thread-safe. */
public final class QwenEncoder implements Encoder {

    private final RerankConfig.Prompt prompt;
    private final RerankConfig.Limits limits;
    private final TextCleaner preparation;
    private final Tokenizer tokenizer;
    private final PromptTemplate template;
    private final SmartResize sizes;
    private final ImageDecoder decoder;
    private final ImageFetcher fetching;
    private final Cache<Sha256, EncodedImage> images;
    private final LongAdder imageHits = new LongAdder();
    private final int visionStart;
    private final int visionEnd;
    private final int imagePad;
    private final int yes;
    private final int no;

    private QwenEncoder(RerankConfig config, Tokenizer tokenizer, ImageProcessorConfig preprocessor) {
        this.prompt = config.prompt();
        this.limits = config.limits();
        this.preparation = TextCleaner.of(config.preparation());
        this.tokenizer = tokenizer;
        this.template = PromptTemplate.parse(prompt, tokenizer);
        this.sizes = SmartResize.of(limits, preprocessor);
        this.decoder = new ImageDecoder(limits.maxImageBytes(), limits.maxDecodedPixels(), limits.decodeTimeout());
        this.images = Caffeine.newBuilder()
                .maximumWeight(config.caches().imageBytes())
                .executor(Runnable::run) // what is over the bound is gone at once
                .weigher((Sha256 key, EncodedImage image) -> image.bytes())
                .build();
        this.visionStart = tokenizer.controlToken("<|vision_start|>");
        this.visionEnd = tokenizer.controlToken("<|vision_end|>");
        this.imagePad = tokenizer.controlToken("<|image_pad|>");
        this.yes = tokenizer.single("yes");
        this.no = tokenizer.single("no");
        this.fetching = new ImageFetcher(config.fetch(), limits, SystemDefaultDnsResolver.INSTANCE);
    }

    /**
     * Reads {@code tokenizer.json} and {@code preprocessor_config.json} of the checkpoint; about a second for a
     * published tokenizer.
     *
     * @throws ConfigException when one can't be read, or prompt and tokenizer don't fit
     */
    public static QwenEncoder open(RerankConfig config) {
        CheckpointFiles checkpoint = CheckpointFiles.of(config.model().checkpoint());
        ImageProcessorConfig preprocessor = ImageProcessorConfig.read(checkpoint);
        Tokenizer tokenizer = Tokenizer.open(checkpoint.file("tokenizer.json"));
        try {
            return new QwenEncoder(config, tokenizer, preprocessor);
        } catch (RuntimeException e) {
            tokenizer.close();
            throw e;
        }
    }

    @Override
    public Content prepare(Content query) {
        return preparation.prepare(query);
    }

    @Override
    public Content prepare(Candidate candidate) {
        return preparation.prepare(candidate);
    }

    @Override
    public CompletableFuture<List<byte[]>> fetch(Content content) {
        return fetching.fetch(content);
    }

    @Override
    public PromptPart encodePrefix(@Nullable String instruction, Content query, List<byte[]> images)
            throws RejectedException {
        if (query.isEmpty()) {
            throw new RejectedException(Reason.QUERY_EMPTY, "the query has neither text nor image");
        }
        String task = instruction == null ? prompt.instruction() : instruction;
        Tokenizer.Cut shortTask = tokenizer.cut(task, limits.maxQueryTokens());
        return encode(template.prefix(), shortTask, query, images, limits.maxQueryTokens());
    }

    @Override
    public PromptPart encodeCandidate(Content candidate, List<byte[]> images) throws RejectedException {
        if (candidate.isEmpty()) {
            throw new RejectedException(Reason.EMPTY, "the candidate has neither text nor image");
        }
        return encodeAny(candidate, images);
    }

    /** A candidate that may be blank: what the reference would make of it. */
    PromptPart encodeAny(Content candidate, List<byte[]> images) throws RejectedException {
        return encode(
                template.candidate(), new Tokenizer.Cut("", false), candidate, images, limits.maxCandidateTokens());
    }

    private PromptPart encode(
            List<PromptTemplate.Piece> pieces,
            Tokenizer.Cut instruction,
            Content content,
            List<byte[]> bytes,
            int maxTokens)
            throws RejectedException {
        if (bytes.size() != content.images().size()) {
            throw new IllegalArgumentException("%d images fetched for %d"
                    .formatted(bytes.size(), content.images().size()));
        }
        ImageFetcher.checkCount(bytes.size(), limits);
        Tokenizer.Cut text = tokenizer.cut(content.text() == null ? "" : content.text(), maxTokens);
        List<EncodedImage> images = new ArrayList<>(bytes.size());
        for (byte[] data : bytes) {
            images.add(image(data));
        }
        PromptTokens runs = new PromptTokens(tokenizer);
        int visionTokens = 0;
        for (PromptTemplate.Piece piece : pieces) {
            if (piece.text() != null) {
                runs.text(piece.text());
            } else if (piece.control() != null) {
                runs.control(piece.control());
            } else if (piece.slot() == PromptTemplate.Slot.INSTRUCTION) {
                runs.text(instruction.text());
            } else {
                visionTokens = images(runs, images);
                runs.text(text.text());
            }
        }
        return new PromptPart(runs.tokens(), images, visionTokens, instruction.truncated() || text.truncated());
    }

    private int images(PromptTokens runs, List<EncodedImage> images) {
        int total = 0;
        for (EncodedImage image : images) {
            int pads = (image.height() / sizes.factor()) * (image.width() / sizes.factor());
            runs.control(visionStart);
            runs.control(imagePad, pads);
            runs.control(visionEnd);
            total += pads;
        }
        return total;
    }

    /** Decodes and resizes one picture, or finds it where that was done before. */
    private EncodedImage image(byte[] data) throws RejectedException {
        Sha256 key = Sha256.of(ByteBuffer.wrap(data));
        EncodedImage known = images.getIfPresent(key);
        if (known != null) {
            imageHits.increment();
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

    @Override
    public long imageHits() {
        return imageHits.sum();
    }

    @Override
    public Fetches fetches() {
        return fetching.fetches();
    }

    /** Id of the token whose likelihood stands for relevance. */
    public int yesId() {
        return yes;
    }

    /** Id of the opposite token. */
    public int noId() {
        return no;
    }

    /** Id of the token that stands for one merged cell of an image. */
    public int imagePadId() {
        return imagePad;
    }

    @Override
    public void close() {
        fetching.close();
        tokenizer.close();
    }
}
