// The start of Hydrogen's own application; only where its files lie is said here. The package declares no types.
import { createNavigation, createRouter, FeatureSet, Platform, RootViewModel } from 'hydrogen-view-sdk'
import downloadSandbox from 'hydrogen-view-sdk/download-sandbox.html?url'
import worker from 'hydrogen-view-sdk/main.js?url'
import olmWasm from '@matrix-org/olm/olm.wasm?url'
import olmBundle from '@matrix-org/olm/olm.js?url'
import olmLegacy from '@matrix-org/olm/olm_legacy.js?url'
import 'hydrogen-view-sdk/assets/theme-element-light.css'

/** The whole application, as its own start does it; only where its files lie is said here. */
const assetPaths = {
  downloadSandbox,
  worker,
  olm: { wasm: olmWasm, legacyBundle: olmLegacy, wasmBundle: olmBundle },
  serviceWorker: 'sw.js',
}
const platform = new Platform({ container: document.body, assetPaths, config: {}, options: { development: false } })
const navigation = createNavigation()
platform.setNavigation(navigation)
await platform.init()
const urlRouter = createRouter({ navigation, history: platform.history })
urlRouter.attach()
const features = await FeatureSet.load(platform.settingsStorage)
const viewModel = new RootViewModel({ platform, urlRouter, navigation, features })
await viewModel.load()
platform.createAndMountRootView(viewModel)
