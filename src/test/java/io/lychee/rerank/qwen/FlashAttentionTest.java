package io.lychee.rerank.qwen;

import static org.assertj.core.api.Assertions.assertThat;

import io.lychee.rerank.torch.TorchDevice;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * Runs the code around PyTorch's FlashAttention, a GPU kernel, with a slow replacement. It returns the log-sum-exp in
 * either layout of PyTorch's releases.
 */
class FlashAttentionTest {

    private static final String KERNEL = """
            import torch
            from torch import Tensor
            from typing import List, Tuple


            def flash_attention(
                q: Tensor,
                k: Tensor,
                v: Tensor,
                q_starts: Tensor,
                k_starts: Tensor,
                longest_q: int,
                longest_k: int,
                causal: bool,
            ) -> Tuple[Tensor, Tensor]:
                sequences = q_starts.shape[0] - 1
                outputs: List[Tensor] = []
                packed: List[Tensor] = []
                padded = torch.full([sequences, q.shape[1], longest_q + 3], float("nan"))
                for s in range(sequences):
                    first, end = int(q_starts[s].item()), int(q_starts[s + 1].item())
                    first_k, end_k = int(k_starts[s].item()), int(k_starts[s + 1].item())
                    rows, keys = end - first, end_k - first_k
                    assert rows <= longest_q and keys <= longest_k
                    heads = q.shape[1] // k.shape[1]
                    own_q = q[first:end].transpose(0, 1)
                    own_k = k[first_k:end_k].repeat_interleave(heads, dim=1).transpose(0, 1)
                    own_v = v[first_k:end_k].repeat_interleave(heads, dim=1).transpose(0, 1)
                    scores = torch.matmul(own_q, own_k.transpose(1, 2)) / q.shape[2] ** 0.5
                    if causal:
                        hidden = torch.ones([rows, keys]).triu(keys - rows + 1) > 0.5
                        scores = scores.masked_fill(hidden, float("-inf"))
                    lse = torch.logsumexp(scores, dim=-1)
                    packed.append(lse)
                    padded[s, :, :rows] = lse
                    outputs.append(torch.matmul(torch.softmax(scores, -1), own_v).transpose(0, 1))
                return torch.cat(outputs), LAYOUT
            """;

    @ParameterizedTest
    @EnumSource(QwenGolden.class)
    void scoresAreThoseOfTheReferenceWithEitherLayout(QwenGolden golden) {
        for (String layout : List.of("torch.cat(packed, dim=1)", "padded")) {
            Map<String, String> sources = golden.sources();
            sources.put("flash", KERNEL.replace("LAYOUT", layout));
            try (QwenScorer scorer = golden.open(TorchDevice.CPU, sources)) {
                // on random sequences, some with merged attentions
                assertThat(scorer.network.attentionError(false)).isLessThan(1e-5);
                scorer.network.useFlash(true);
                golden.assertScores(scorer, 1e-4);
            }
        }
    }
}
