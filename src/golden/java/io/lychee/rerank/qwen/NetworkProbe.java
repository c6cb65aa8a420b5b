package io.lychee.rerank.qwen;

import io.lychee.rerank.scoring.EncodedImage;
import io.lychee.rerank.torch.TorchModule;
import java.util.List;

/** Reads what a network computes between pixels and scores, row by row. CPU only. */
final class NetworkProbe {

    private NetworkProbe() {}

    /** Returns the last hidden state of each candidate's last token: (candidates, hidden). */
    static float[] lastHidden(QwenNetwork network, PackedPass pass, VisionCache.Plan images) {
        try (TorchModule.Call call = network.module.call()) {
            return call.floats(network.forward(call, pass, images));
        }
    }

    /** Returns the vision tower's output: (cells, hidden). */
    static float[] vision(QwenNetwork network, VisionCache.Plan images) {
        try (TorchModule.Call call = network.module.call()) {
            network.encodeImages(call, images);
            return call.floats(call.run("cached_images", call.tensor(images.places())));
        }
    }

    /** Returns the input of the patch embedding: (patches, channels · patch²). */
    static float[] patches(QwenNetwork network, List<EncodedImage> images) {
        try (TorchModule.Call call = network.module.call()) {
            return call.floats(call.run(
                    "patches",
                    QwenNetwork.pixels(call, images),
                    QwenNetwork.sizes(images, EncodedImage::height),
                    QwenNetwork.sizes(images, EncodedImage::width)));
        }
    }
}
