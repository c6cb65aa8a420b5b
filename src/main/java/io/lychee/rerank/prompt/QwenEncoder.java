package io.lychee.rerank.prompt;

import io.lychee.rerank.checkpoint.CheckpointFiles;
import io.lychee.rerank.checkpoint.Families;
import io.lychee.rerank.checkpoint.Family;
import io.lychee.rerank.checkpoint.ImageProcessorConfig;
import io.lychee.rerank.config.ConfigException;
import io.lychee.rerank.config.RerankConfig;
import io.lychee.rerank.domain.Candidate;
import io.lychee.rerank.domain.Content;
import io.lychee.rerank.domain.Reason;
import io.lychee.rerank.domain.RejectedException;
import io.lychee.rerank.image.ImageEncoder;
import io.lychee.rerank.image.ImageFetcher;
import io.lychee.rerank.scoring.EncodedImage;
import io.lychee.rerank.scoring.Encoder;
import io.lychee.rerank.scoring.PromptPart;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.apache.hc.client5.http.SystemDefaultDnsResolver;
import org.jspecify.annotations.Nullable;

/** Encodes lists and candidates as the prompt of a checkpoint. Thread-safe. */
public final class QwenEncoder implements Encoder {

    private final String defaultInstruction;
    private final RerankConfig.Limits limits;
    private final TextCleaner cleaner;
    private final Tokenizer tokenizer;
    private final PromptTemplate template;
    private final ImageEncoder images;
    private final ImageFetcher fetcher;
    private final int visionStart;
    private final int visionEnd;
    private final int imagePad;
    private final int yes;
    private final int no;

    private QwenEncoder(RerankConfig config, Tokenizer tokenizer, Family family, ImageProcessorConfig preprocessor) {
        this.defaultInstruction = family.instruction(config.prompt());
        this.limits = config.limits();
        this.cleaner = TextCleaner.of(config.preparation());
        this.tokenizer = tokenizer;
        this.template = PromptTemplate.parse(config.prompt(), tokenizer);
        this.images =
                new ImageEncoder(limits, family, preprocessor, config.caches().imageBytes());
        this.visionStart = tokenizer.controlToken("<|vision_start|>");
        this.visionEnd = tokenizer.controlToken("<|vision_end|>");
        this.imagePad = tokenizer.controlToken("<|image_pad|>");
        this.yes = tokenizer.single("yes");
        this.no = tokenizer.single("no");
        this.fetcher = new ImageFetcher(config.fetch(), limits, SystemDefaultDnsResolver.INSTANCE);
    }

    /**
     * Reads family, {@code tokenizer.json} and {@code preprocessor_config.json} of the checkpoint; about a second for a
     * published tokenizer.
     *
     * @throws ConfigException when one can't be read, or prompt and tokenizer don't fit
     */
    public static QwenEncoder open(RerankConfig config) {
        CheckpointFiles checkpoint = CheckpointFiles.of(config.model().checkpoint());
        Family family = Families.of(checkpoint);
        ImageProcessorConfig preprocessor = family.preprocessor(checkpoint);
        Tokenizer tokenizer = Tokenizer.open(checkpoint.file("tokenizer.json"));
        try {
            return new QwenEncoder(config, tokenizer, family, preprocessor);
        } catch (RuntimeException e) {
            tokenizer.close();
            throw e;
        }
    }

    @Override
    public CompletableFuture<List<byte[]>> fetch(Content content) {
        return fetcher.fetch(content);
    }

    @Override
    public PromptPart encodePrefix(@Nullable String instruction, Content query, List<byte[]> bytes)
            throws RejectedException {
        Content clean = cleaner.prepare(query);
        if (clean.isEmpty()) {
            throw new RejectedException(Reason.QUERY_EMPTY, "the query has neither text nor image");
        }
        String task = instruction == null ? defaultInstruction : instruction;
        return encode(template.prefix(), task, clean, bytes, limits.maxQueryTokens());
    }

    @Override
    public PromptPart encodeCandidate(Candidate candidate, List<byte[]> bytes) throws RejectedException {
        Content clean = cleaner.prepare(candidate);
        if (clean.isEmpty()) {
            throw new RejectedException(Reason.EMPTY, "the candidate has neither text nor image");
        }
        return encodeAny(clean, bytes);
    }

    /** Encodes a candidate that may be blank, as the reference does. */
    PromptPart encodeAny(Content candidate, List<byte[]> bytes) throws RejectedException {
        return encode(template.candidate(), "", candidate, bytes, limits.maxCandidateTokens());
    }

    private PromptPart encode(
            List<PromptTemplate.Piece> pieces, String instruction, Content content, List<byte[]> bytes, int maxTokens)
            throws RejectedException {
        if (bytes.size() != content.images().size()) {
            throw new IllegalArgumentException("%d images fetched for %d"
                    .formatted(bytes.size(), content.images().size()));
        }
        ImageFetcher.checkCount(bytes.size(), limits);
        Tokenizer.Cut task = tokenizer.cut(instruction, maxTokens);
        Tokenizer.Cut text = tokenizer.cut(content.text() == null ? "" : content.text(), maxTokens);
        List<EncodedImage> encoded = new ArrayList<>(bytes.size());
        for (byte[] data : bytes) {
            encoded.add(images.encode(data));
        }
        PromptTokens tokens = new PromptTokens(tokenizer);
        int visionTokens = 0;
        for (PromptTemplate.Piece piece : pieces) {
            if (piece.text() != null) {
                tokens.text(piece.text());
            } else if (piece.control() != null) {
                tokens.control(piece.control());
            } else if (piece.slot() == PromptTemplate.Slot.INSTRUCTION) {
                tokens.text(task.text());
            } else {
                for (EncodedImage image : encoded) {
                    int pads = images.tokens(image);
                    tokens.control(visionStart);
                    tokens.control(imagePad, pads);
                    tokens.control(visionEnd);
                    visionTokens += pads;
                }
                tokens.text(text.text());
            }
        }
        return new PromptPart(tokens.tokens(), encoded, visionTokens, task.truncated() || text.truncated());
    }

    @Override
    public long imageHits() {
        return images.hits();
    }

    @Override
    public Fetches fetches() {
        return fetcher.fetches();
    }

    /** Id of the token whose probability is the relevance. */
    public int yesId() {
        return yes;
    }

    public int noId() {
        return no;
    }

    @Override
    public void close() {
        fetcher.close();
        tokenizer.close();
    }
}
